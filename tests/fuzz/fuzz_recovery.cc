// Recovery of a damaged journal. The input is a list of edits to a small, valid journal made here:
// flipped bits, blank, copied and swapped blocks, files cut, lost or doubled, sectors that cannot
// be read, raw octets, checksums made good again, whole batches that no program of ours would
// write. So a few octets of input reach deep.
//
// Recovery never crashes and says the same twice; without forged checksums it finds every message
// whose batches are as they were, and makes none up. Then a queue delivers what was found, and
// nothing of it comes back.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/endian.h"
#include "queue/queue.h"
#include "queue/recovery.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_journal.h"

using namespace sluice;
using namespace sluice::queue;
using sim::JournalMaker;
using sim::SimDisk;

namespace {

constexpr SpoolId kSpool = {'f', 'u', 'z', 'z'};
constexpr uint64_t kFileBytes = 12 * kBlockBytes;
constexpr WallTime kWall = WallFromMillis(1'700'000'100'000);

QueueId Id(uint64_t n) { return QueueId{(n << 22) | 1}; }

struct Range {
  uint32_t segment;
  uint64_t offset;
  uint64_t bytes;
};

// A message that must be found while these batches are as they were. One that was moved has two
// such places.
struct Expected {
  QueueId id;
  std::vector<std::vector<Range>> places;
};

struct Base {
  std::map<uint32_t, std::string> segments;
  std::vector<Expected> expected;
  std::set<QueueId> known;
  BatchHeader next;  // what a batch at the end of the journal would say
};

const Base& TheBase() {
  static const Base* const base = [] {
    auto* b = new Base;
    SimDisk disk(1);
    JournalMaker maker(disk, kSpool);
    const auto end = [&](uint32_t segment, uint16_t flags = 0) {
      const uint64_t at = maker.EndBatch(flags);
      return Range{segment, at, maker.end() - at};
    };
    const std::string large(5000, 'x');

    maker.BeginSegment(2, kFileBytes);  // all done, and void
    maker.Message(Id(1), 1, "gone");
    end(2);
    maker.Done(Id(1));
    end(2, kLastInSegment);

    maker.BeginSegment(4, kFileBytes);  // done too; this one is used again below
    maker.Message(Id(2), 2, large);
    end(4);
    maker.Done(Id(2));
    end(4);
    maker.Done(Id(1));
    end(4, kLastInSegment);
    maker.Void(2);

    maker.BeginSegment(1, kFileBytes);
    maker.Message(Id(3), 3, "three");
    maker.Message(Id(4), 1, "four");
    const Range three = end(1);
    const PartLocation first = maker.Part(Id(5), large);
    const Range first_part = end(1);
    const PartLocation second = maker.Part(Id(5), "second");
    maker.Status(Id(3), 1, 3, {1}, 1'700'000'000'500);
    const Range second_part = end(1);
    maker.Done(Id(4));
    end(1, kLastInSegment);
    maker.Void(4);

    maker.BeginSegment(3, kFileBytes);
    maker.Message(Id(5), 2, "rest", {first, second});
    const Range five = end(3);
    maker.Message(Id(3), 3, "three");  // moved here
    maker.Status(Id(3), 1, 3, {1}, 1'700'000'000'500);
    const Range three_moved = end(3);
    maker.Message(Id(6), 1, large);
    const Range six = end(3, kLastInSegment);

    maker.BeginSegment(4, kFileBytes);
    maker.Message(Id(7), 1, "seven");
    maker.Message(Id(8), 40, "eight");
    const Range seven = end(4);
    maker.Status(Id(8), 3, 40, {0, 39}, 1'700'000'050'000);
    end(4);
    maker.Message(Id(9), 1, "nine");
    const Range nine = end(4);
    b->next = {.spool = kSpool,
               .epoch = maker.next_epoch - 1,
               .number = maker.next_batch,
               .durable = maker.next_batch - 1,
               .newest_id = Id(9).value,
               .wall_ms = maker.wall_ms,
               .segment = 4,
               .offset = maker.end()};
    disk.segments()[5].assign(kFileBytes, '\0');

    b->segments = disk.segments();
    b->expected = {{Id(3), {{three}, {three_moved}}},
                   {Id(5), {{first_part, second_part, five}}},
                   {Id(6), {{six}}},
                   {Id(7), {{seven}}},
                   {Id(8), {{seven}}},
                   {Id(9), {{nine}}}};
    for (uint64_t n = 1; n <= 9; n++) b->known.insert(Id(n));
    return b;
  }();
  return *base;
}

// --- edits
// -----------------------------------------------------------------------------------------------------

class Edits {
 public:
  Edits(ByteView input, SimDisk& disk) : input_(input), disk_(disk) {}

  void Apply() {
    for (int i = 0; i < 64 && !input_.empty() && !disk_.segments().empty(); i++) One();
  }

  bool forged() const { return forged_; }
  bool Readable(const Range& range) const {
    return std::none_of(unreadable_.begin(), unreadable_.end(), [&](const Range& bad) {
      return bad.segment == range.segment && bad.offset < range.offset + range.bytes &&
             range.offset < bad.offset + bad.bytes;
    });
  }

 private:
  uint8_t Byte() {
    if (input_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(input_[0]);
    input_.remove_prefix(1);
    return byte;
  }
  size_t Number(size_t bound) { return (Byte() | Byte() << 8) % std::max<size_t>(bound, 1); }
  uint32_t AnySegment() {
    auto it = disk_.segments().begin();
    std::advance(it, Byte() % disk_.segments().size());
    return it->first;
  }
  ByteView Raw(size_t bytes_max) {
    const ByteView raw = input_.substr(0, std::min<size_t>(Byte(), bytes_max));
    input_.remove_prefix(raw.size());
    return raw;
  }
  // Where a block begins, whole within the file.
  static uint64_t Block(const std::string& file, uint8_t choice) {
    const uint64_t blocks = file.size() / kBlockBytes;
    return blocks == 0 ? 0 : choice % blocks * kBlockBytes;
  }

  void One() {
    const uint8_t what = Byte();
    const uint32_t number = AnySegment();
    std::string& file = disk_.segments()[number];
    switch (what % 12) {
      case 0: {
        const size_t at = Number(file.size());
        if (!file.empty()) disk_.FlipBit(number, at, Byte() % 8);
        return;
      }
      case 1: {
        const uint64_t at = Block(file, Byte());
        const uint64_t bytes = std::min<uint64_t>((Byte() % 4 + 1) * kBlockBytes, file.size() - at);
        file.replace(at, bytes, bytes, '\0');
        return;
      }
      case 2:
      case 3: {
        std::string& other = disk_.segments()[AnySegment()];
        const uint64_t from = Block(file, Byte());
        const uint64_t to = Block(other, Byte());
        if (file.size() < kBlockBytes || other.size() < kBlockBytes) return;
        const std::string block = file.substr(from, kBlockBytes);
        if (what % 12 == 3) file.replace(from, kBlockBytes, other, to, kBlockBytes);
        other.replace(to, kBlockBytes, block);
        return;
      }
      case 4:
        file.resize(Number(file.size()));
        return;
      case 5:
        disk_.segments().erase(number);
        return;
      case 6: {
        const std::string copy = file;
        disk_.segments()[Byte() % 8u + 1] = copy;
        return;
      }
      case 7: {
        const size_t at = Number(file.size());
        const ByteView raw = Raw(file.size() - at);
        if (!raw.empty()) file.replace(at, raw.size(), raw);
        return;
      }
      case 8: {
        const uint64_t at = Block(file, Byte());
        const uint64_t bytes = (Byte() % 8u + 1) * kBlockBytes;
        disk_.set_unreadable(number, at, bytes);
        unreadable_.push_back({number, at, bytes});
        return;
      }
      case 9:
        return ResealBatch(file, Block(file, Byte()));
      case 10:
        return ResealHeader(file);
      case 11:
        return AppendBatch();
    }
  }

  // Makes the checksums of the batch at `at` right for whatever is in it.
  void ResealBatch(std::string& file, uint64_t at) {
    if (file.size() < at + kBatchHeaderBytes) return;
    forged_ = true;
    char* const batch = file.data() + at;
    const uint64_t room = file.size() - at;
    uint64_t next = kBatchHeaderBytes;
    uint32_t chain = 0;
    const uint32_t records = LoadLe<uint32_t>(batch + 76);
    for (uint32_t i = 0; i < records && next + kRecordHeaderBytes <= room; i++) {
      char* const record = batch + next;
      const uint64_t payload =
          std::min<uint64_t>(LoadLe<uint32_t>(record), room - next - kRecordHeaderBytes);
      StoreLe<uint32_t>(record + 16, Crc32c(0, ByteView(record + kRecordHeaderBytes, payload)));
      StoreLe<uint32_t>(record + 20, Crc32c(0, ByteView(record, 20)));
      chain = Crc32c(chain, ByteView(record, kChainedHeaderBytes));
      next += PaddedRecordBytes(kRecordHeaderBytes + payload);
    }
    StoreLe<uint32_t>(batch + 80, chain);
    StoreLe<uint32_t>(batch + 84, Crc32c(0, ByteView(batch, 84)));
  }

  void ResealHeader(std::string& file) {
    if (file.size() < kBlockBytes) return;
    forged_ = true;
    StoreLe<uint32_t>(file.data() + 72, Crc32c(0, ByteView(file).substr(0, 72)));
    std::memcpy(file.data() + kSegmentHeaderCopyAt, file.data(), kSegmentHeaderBytes);
  }

  // A batch at the end of the journal, whose records say what the input wants.
  void AppendBatch() {
    BatchHeader header = TheBase().next;
    header.offset += appended_bytes_;
    header.number += appended_;
    const auto it = disk_.segments().find(header.segment);
    if (it == disk_.segments().end()) return;
    forged_ = true;
    header.flags = Byte() % 8;
    Batch batch(kFileBytes);
    for (int records = Byte() % 4; records > 0; records--) {
      const auto type = static_cast<RecordType>(Byte() % 5);
      const QueueId id = Id(Byte() % 12u);
      batch.Append(type, id, {Raw(255)}, BatchItem{.entry = nullptr, .id = {}});
    }
    const ByteView bytes = batch.Close(header, nullptr);
    if (header.offset + bytes.size() > it->second.size()) return;
    it->second.replace(header.offset, bytes.size(), bytes);
    appended_++;
    appended_bytes_ += bytes.size();
  }

  ByteView input_;
  SimDisk& disk_;
  std::vector<Range> unreadable_;
  uint64_t appended_ = 0;
  uint64_t appended_bytes_ = 0;
  bool forged_ = false;
};

// --- what must hold
// --------------------------------------------------------------------------------------------

std::string Print(const RecoveredJournal& journal) {
  std::string text = absl::StrCat(journal.next_batch, " ", journal.next_epoch, " ",
                                  journal.newest_id.value, " ", journal.active.value_or(0), " ",
                                  journal.report.clean, " ", journal.report.torn_bytes, "\n");
  for (const RecoveredSegment& s : journal.segments) {
    absl::StrAppend(&text, s.number, " ", s.bytes, " ", s.epoch, " ", static_cast<int>(s.state),
                    " ", s.end, "\n");
  }
  for (const auto& [id, m] : journal.messages) {
    absl::StrAppend(&text, id.value, " ", m.message.segment, ":", m.message.offset, " ",
                    m.status.segment, ":", m.status.offset, " ", m.open_recipients, "/",
                    m.recipients, " ", m.attempts, " ", m.parts.size(), m.damaged ? " damaged" : "",
                    "\n");
  }
  for (const DamagedRange& d : journal.report.damage) {
    absl::StrAppend(&text, d.segment, ":", d.offset, "+", d.bytes, " ", d.what, "\n");
  }
  return text;
}

bool AsItWas(const Range& range, SimDisk& disk, const Edits& edits) {
  const auto file = disk.segments().find(range.segment);
  if (file == disk.segments().end() || file->second.size() < range.offset + range.bytes)
    return false;
  // One batch behind a blank header may be a torn first write: FORMAT.md.
  const bool blank = file->second.find_first_not_of('\0') >= kBlockBytes;
  if (range.offset == kBlockBytes && blank) return false;
  const std::string& before = TheBase().segments.at(range.segment);
  return edits.Readable(range) &&
         file->second.compare(range.offset, range.bytes, before, range.offset, range.bytes) == 0;
}

void CheckUntouchedAreFound(const RecoveredJournal& journal, SimDisk& disk, const Edits& edits) {
  std::set<QueueId> found;
  for (const auto& [id, message] : journal.messages) {
    CHECK(TheBase().known.contains(id));
    if (!message.damaged) found.insert(id);
  }
  for (const Expected& one : TheBase().expected) {
    const bool untouched =
        std::any_of(one.places.begin(), one.places.end(), [&](const auto& place) {
          return std::all_of(place.begin(), place.end(),
                             [&](const Range& range) { return AsItWas(range, disk, edits); });
        });
    CHECK(!untouched || found.contains(one.id));
  }
}

void CheckLocations(const RecoveredJournal& journal, SimDisk& disk) {
  for (const auto& [id, message] : journal.messages) {
    for (const Location& where : {message.message, message.status}) {
      if (where) CHECK(where.offset + where.bytes <= disk.segments().at(where.segment).size());
    }
  }
}

// Delivers all that can be delivered.
std::set<QueueId> Drain(SimDisk& disk) {
  struct Observer : QueueObserver {
    void OnDone(QueueId id) override { done.insert(id); }
    std::set<QueueId> done;
  } observer;
  QueueOptions options;
  options.spool = kSpool;
  Queue queue(options, disk, &observer);
  MonoTime mono{hours(1)};
  if (!queue.Recover({mono, kWall}).ok()) return {};
  MessageLoad load([](MessageLoad&, ReadResult) {});
  PartLoad part([](PartLoad&, ReadResult) {});
  for (int turn = 0; turn < 40; turn++) {
    mono += hours(1);
    while (Entry* entry = queue.TakeDue(mono)) {
      const bool at_once = queue.Load(*entry, load);
      while (load.in_flight()) disk.RunOne();
      if (!at_once && load.id() != entry->id) CHECK(false);
      if (load.envelope().recipient_count() == 0) {  // the load failed
        queue.SetDamaged(*entry);
        continue;
      }
      for (size_t i = 0; i < load.parts(); i++) {
        queue.LoadPart(load, i, part);
        while (part.in_flight()) disk.RunOne();
        part.Reset();
      }
      std::vector<RecipientOutcome> outcomes;
      for (uint32_t i = 0; i < entry->recipients; i++) {
        outcomes.push_back({i, turn > 0 || i % 2 == 0, "450 later"});
      }
      queue.Finish(*entry, load, {outcomes, nullptr}, {mono, kWall});
    }
    queue.Pump({mono, kWall});
    while (disk.Pending()) disk.RunOne();
  }
  const QueueStats stats = queue.stats();
  CHECK(stats.messages == stats.damaged);
  CHECK(queue.idle());
  return observer.done;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  SimDisk disk(1, {.segment_bytes = kSegmentBytesMin});
  disk.segments() = TheBase().segments;
  Edits edits(ByteView(reinterpret_cast<const char*>(data), size), disk);
  edits.Apply();

  const absl::StatusOr<RecoveredJournal> once = RecoverJournal(disk, kSpool);
  const absl::StatusOr<RecoveredJournal> again = RecoverJournal(disk, kSpool);
  CHECK(once.ok() == again.ok());
  (void)RecoverJournal(disk, std::nullopt);
  if (!once.ok()) return 0;
  CHECK(Print(*once) == Print(*again));
  CheckLocations(*once, disk);
  if (!edits.forged()) CheckUntouchedAreFound(*once, disk, edits);

  const std::set<QueueId> done = Drain(disk);
  if (size == 0) CHECK(once->report.damage.empty() && done.size() == TheBase().expected.size());
  const absl::StatusOr<RecoveredJournal> after = RecoverJournal(disk, kSpool);
  CHECK(after.ok());
  for (const auto& [id, message] : after->messages) CHECK(!done.contains(id));
  return 0;
}
