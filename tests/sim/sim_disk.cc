#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace sluice::sim {

using queue::DeviceOp;
using queue::kBlockBytes;

SimDisk::SimDisk(uint64_t seed, const DiskOptions& options) : prng_(seed), options_(options) {}

SimDisk::~SimDisk() { CHECK(requests_.empty()); }

// --- requests ------------------------------------------------------------------------------------------------

void SimDisk::Write(uint32_t segment, uint64_t offset, ByteView bytes, DeviceOp& op) {
  CheckRange(segment, offset, bytes.data(), bytes.size());
  for (const Request& other : requests_) {
    CHECK(other.kind != Kind::kWrite || other.segment != segment || other.offset + other.bytes.size() <= offset ||
          offset + bytes.size() <= other.offset);
  }
  Start({Kind::kWrite, segment, offset, bytes, std::string(bytes), {}, &op});
}

void SimDisk::Read(uint32_t segment, uint64_t offset, MutableBytes bytes, DeviceOp& op) {
  CheckRange(segment, offset, bytes.data(), bytes.size());
  std::memset(bytes.data(), 0xdb, bytes.size());
  Start({Kind::kRead, segment, offset, {}, {}, bytes, &op});
}

void SimDisk::Prepare(uint32_t segment, DeviceOp& op) {
  CHECK(!segments_.contains(segment));
  Start({Kind::kPrepare, segment, 0, {}, {}, {}, &op});
}

void SimDisk::Remove(uint32_t segment, DeviceOp& op) {
  CHECK(segments_.contains(segment));
  Start({Kind::kRemove, segment, 0, {}, {}, {}, &op});
}

void SimDisk::Start(Request request) {
  CHECK(!request.op->in_flight);
  request.op->in_flight = true;
  requests_.push_back(std::move(request));
}

void SimDisk::CheckRange(uint32_t segment, uint64_t offset, const char* memory, size_t bytes) {
  CHECK(segments_.contains(segment));
  CHECK(offset % kBlockBytes == 0 && bytes % kBlockBytes == 0 && bytes > 0);
  CHECK(reinterpret_cast<uintptr_t>(memory) % kBlockBytes == 0);
  CHECK(offset + bytes <= segments_[segment].size());
}

// --- what becomes of them ------------------------------------------------------------------------------------

void SimDisk::RunOne() {
  const size_t index = prng_.Below(requests_.size());
  const Request request = std::move(requests_[index]);
  requests_.erase(requests_.begin() + static_cast<ptrdiff_t>(index));
  const int result = Run(request);
  request.op->in_flight = false;
  request.op->done(*request.op, result);
}

int SimDisk::Run(const Request& request) {
  switch (request.kind) {
    case Kind::kWrite:
      return RunWrite(request);
    case Kind::kRead:
      if (Chance(faults.read_error)) return -EIO;
      std::memcpy(request.target.data(), segments_[request.segment].data() + request.offset,
                  request.target.size());
      return static_cast<int>(request.target.size());
    case Kind::kPrepare:
      if (segments_.size() >= options_.segments_max || Chance(faults.prepare_error)) return -ENOSPC;
      segments_[request.segment].assign(options_.segment_bytes, '\0');
      unreadable_.erase(request.segment);
      return 0;
    case Kind::kRemove:
      segments_.erase(request.segment);
      unreadable_.erase(request.segment);
      return 0;
  }
  return -EINVAL;
}

int SimDisk::RunWrite(const Request& request) {
  CHECK(request.bytes == request.copy);  // the kernel's until the write is done
  writes_++;
  if (Chance(faults.write_error)) {
    WriteSomeSectors(request);
    return -EIO;
  }
  if (Chance(faults.short_write)) {
    WriteSomeSectors(request);
    return static_cast<int>(prng_.Below(request.copy.size() / kBlockBytes) * kBlockBytes);
  }
  segments_[request.segment].replace(request.offset, request.copy.size(), request.copy);
  auto& bad = unreadable_[request.segment];
  bad.erase(bad.lower_bound(request.offset), bad.lower_bound(request.offset + request.copy.size()));
  return static_cast<int>(request.copy.size());
}

// All, none, a first part, or any of them.
void SimDisk::WriteSomeSectors(const Request& request) {
  const size_t sectors = request.copy.size() / options_.sector_bytes;
  const uint64_t way = prng_.Below(8);
  const size_t first = prng_.Below(sectors + 1);
  const size_t missing = prng_.Below(sectors);
  for (size_t sector = 0; sector < sectors; sector++) {
    bool written = prng_.Chance(1, 2);
    if (way == 0) written = true;
    if (way == 1) written = false;
    if (way == 2) written = sector < first;
    if (way == 3) written = sector >= first;
    if (way == 4) written = sector != missing;
    if (!written) continue;
    const size_t at = sector * options_.sector_bytes;
    segments_[request.segment].replace(request.offset + at, options_.sector_bytes, request.copy, at,
                                       options_.sector_bytes);
  }
}

void SimDisk::Crash() {
  for (const Request& request : requests_) {
    switch (request.kind) {
      case Kind::kWrite:
        CHECK(request.bytes == request.copy);
        WriteSomeSectors(request);
        break;
      case Kind::kRead:
        break;
      case Kind::kPrepare:
      case Kind::kRemove:
        if (prng_.Chance(1, 2)) Run(request);
        break;
    }
    request.op->in_flight = false;
  }
  requests_.clear();
}

void SimDisk::FlipBit(uint32_t segment, uint64_t offset, int bit) {
  char& byte = segments_.at(segment).at(offset);
  byte = static_cast<char>(byte ^ (1 << bit));
}

void SimDisk::set_unreadable(uint32_t segment, uint64_t offset, uint64_t bytes) {
  for (uint64_t at = offset / kBlockBytes * kBlockBytes; at < offset + bytes; at += kBlockBytes) {
    unreadable_[segment].insert(at);
  }
}

// --- blocking calls ------------------------------------------------------------------------------------------

absl::StatusOr<std::vector<queue::SegmentFile>> SimDisk::List() {
  std::vector<queue::SegmentFile> files;
  for (const auto& [number, bytes] : segments_) files.push_back({number, bytes.size()});
  for (size_t i = files.size(); i > 1; i--) std::swap(files[i - 1], files[prng_.Below(i)]);  // any order
  return files;
}

absl::Status SimDisk::ReadNow(uint32_t segment, uint64_t offset, MutableBytes bytes) {
  CheckRange(segment, offset, bytes.data(), bytes.size());
  const auto& bad = unreadable_[segment];
  if (const auto first = bad.lower_bound(offset); first != bad.end() && *first < offset + bytes.size()) {
    return absl::UnavailableError("a bad sector");
  }
  std::memcpy(bytes.data(), segments_[segment].data() + offset, bytes.size());
  return absl::OkStatus();
}

absl::Status SimDisk::PrepareNow(uint32_t segment) {
  CHECK(!segments_.contains(segment));
  if (segments_.size() >= options_.segments_max) return absl::ResourceExhaustedError("the disk is full");
  segments_[segment].assign(options_.segment_bytes, '\0');
  unreadable_.erase(segment);
  return absl::OkStatus();
}

absl::Status SimDisk::SetAsideNow(uint32_t segment, uint64_t epoch, uint64_t offset, ByteView bytes) {
  set_aside_.push_back({segment, epoch, offset, std::string(bytes)});
  return absl::OkStatus();
}

}  // namespace sluice::sim
