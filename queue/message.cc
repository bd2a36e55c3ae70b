#include "queue/message.h"

#include <utility>

#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::queue {
namespace {

constexpr size_t kFieldHeaderBytes = 6;

void AppendField(Buffer& out, uint16_t tag, ByteView value) {
  CHECK(value.size() <= UINT32_MAX);
  char* at = out.Extend(kFieldHeaderBytes);
  StoreLe<uint16_t>(at, tag);
  StoreLe<uint32_t>(at + 2, static_cast<uint32_t>(value.size()));
  out.Append(value);
}

// Takes one field off the front of `rest`; false at the end and when it does not fit.
bool TakeField(ByteView& rest, uint16_t& tag, ByteView& value) {
  if (rest.size() < kFieldHeaderBytes) return false;
  const uint32_t bytes = LoadLe<uint32_t>(rest.data() + 2);
  if (bytes > rest.size() - kFieldHeaderBytes) return false;
  tag = LoadLe<uint16_t>(rest.data());
  value = rest.substr(kFieldHeaderBytes, bytes);
  rest.remove_prefix(kFieldHeaderBytes + bytes);
  return true;
}

bool DecodeRecipient(ByteView value, RecipientView& recipient) {
  if (value.size() < 2) return false;
  const uint16_t bytes = LoadLe<uint16_t>(value.data());
  if (bytes > value.size() - 2) return false;
  recipient.address = value.substr(2, bytes);
  recipient.options = value.substr(2u + bytes);
  return true;
}

bool OptionsFit(ByteView rest) {
  uint16_t tag;
  ByteView value;
  while (!rest.empty()) {
    if (!TakeField(rest, tag, value)) return false;
  }
  return true;
}

}  // namespace

void EnvelopeBuilder::Field(EnvelopeTag tag, ByteView value) {
  AppendField(bytes_, static_cast<uint16_t>(tag), value);
}

void EnvelopeBuilder::SetCreated(WallTime when) {
  char value[8];
  StoreLe<uint64_t>(value, static_cast<uint64_t>(WallMillis(when)));
  Field(EnvelopeTag::kCreated, ByteView(value, sizeof value));
}

void EnvelopeBuilder::SetFlags(uint32_t flags) {
  char value[4];
  StoreLe<uint32_t>(value, flags);
  Field(EnvelopeTag::kFlags, ByteView(value, sizeof value));
}

void EnvelopeBuilder::AddRecipient(ByteView address) {
  CHECK(address.size() <= UINT16_MAX);
  recipient_at_ = bytes_.size();
  char* at = bytes_.Extend(kFieldHeaderBytes + 2);
  StoreLe<uint16_t>(at, static_cast<uint16_t>(EnvelopeTag::kRecipient));
  StoreLe<uint32_t>(at + 2, static_cast<uint32_t>(2 + address.size()));
  StoreLe<uint16_t>(at + kFieldHeaderBytes, static_cast<uint16_t>(address.size()));
  bytes_.Append(address);
  recipients_++;
}

void EnvelopeBuilder::AddRecipientOption(RecipientTag tag, ByteView value) {
  CHECK(recipients_ > 0);
  AppendField(bytes_, static_cast<uint16_t>(tag), value);
  const size_t recipient_bytes = bytes_.size() - recipient_at_ - kFieldHeaderBytes;
  StoreLe<uint32_t>(bytes_.data() + recipient_at_ + 2, static_cast<uint32_t>(recipient_bytes));
}

Buffer EnvelopeBuilder::Take() {
  recipients_ = 0;
  recipient_at_ = 0;
  return std::exchange(bytes_, Buffer());
}

std::optional<ByteView> RecipientOption(const RecipientView& recipient, RecipientTag wanted) {
  ByteView rest = recipient.options;
  uint16_t tag;
  ByteView value;
  while (TakeField(rest, tag, value)) {
    if (tag == static_cast<uint16_t>(wanted)) return value;
  }
  return std::nullopt;
}

std::optional<EnvelopeView> EnvelopeView::Parse(ByteView bytes) {
  EnvelopeView view;
  view.bytes_ = bytes;
  bool has_sender = false;
  ByteView rest = bytes;
  while (!rest.empty()) {
    uint16_t tag;
    ByteView value;
    if (!TakeField(rest, tag, value)) return std::nullopt;
    switch (static_cast<EnvelopeTag>(tag)) {
      case EnvelopeTag::kSender:
        view.sender_ = value;
        has_sender = true;
        break;
      case EnvelopeTag::kRecipient: {
        RecipientView recipient;
        if (!DecodeRecipient(value, recipient) || !OptionsFit(recipient.options)) return std::nullopt;
        view.recipient_count_++;
        break;
      }
      case EnvelopeTag::kLogin:
        view.login_ = value;
        break;
      case EnvelopeTag::kClient:
        view.client_ = value;
        break;
      case EnvelopeTag::kHelo:
        view.helo_ = value;
        break;
      case EnvelopeTag::kProtocol:
        view.protocol_ = value;
        break;
      case EnvelopeTag::kCreated:
        if (value.size() != 8) return std::nullopt;
        view.created_ = WallFromMillis(static_cast<int64_t>(LoadLe<uint64_t>(value.data())));
        break;
      case EnvelopeTag::kFlags:
        if (value.size() != 4) return std::nullopt;
        view.flags_ = LoadLe<uint32_t>(value.data());
        break;
      case EnvelopeTag::kHold:
        view.hold_ = value;
        break;
    }  // other tags: a newer program's; kept, as all bytes are
  }
  if (!has_sender) return std::nullopt;
  return view;
}

bool EnvelopeView::NextRecipient(ByteView& rest, RecipientView& recipient) {
  uint16_t tag;
  ByteView value;
  while (TakeField(rest, tag, value)) {
    if (tag == static_cast<uint16_t>(EnvelopeTag::kRecipient)) return DecodeRecipient(value, recipient);
  }
  return false;
}

}  // namespace sluice::queue
