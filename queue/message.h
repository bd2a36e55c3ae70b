// The envelope of a message as flat bytes: what SMTP said about it, apart from its content.
//
// A run of fields, each {u16 tag, u32 bytes, value}, little-endian; a recipient is a field whose value
// is {u16 address bytes, address, option fields}. Readers skip tags that they do not know and writers
// keep them, so that a newer program's spool survives an older one. EnvelopeBuilder writes, EnvelopeView
// reads without copying; a view that Parse accepted never reads outside its bytes.
#ifndef SLUICE_QUEUE_MESSAGE_H_
#define SLUICE_QUEUE_MESSAGE_H_

#include <cstdint>
#include <optional>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::queue {

// Tags of an envelope's fields. Values are on disk: never renumber.
enum class EnvelopeTag : uint16_t {
  kSender = 1,     // reverse path without <>; empty: the null sender
  kRecipient = 2,  // repeated, in the order of RCPT
  kLogin = 3,      // canonical login of the submitter; absent in bounces
  kClient = 4,     // "192.0.2.1:1234"
  kHelo = 5,
  kProtocol = 6,  // "ESMTPSA TLSv1.3 TLS_AES_256_GCM_SHA384": for logs
  kCreated = 7,   // u64, ms since 1970
  kFlags = 8,     // u32, EnvelopeFlags
  kHold = 9,      // why it is held until an operator releases it: a status record, if there is one
};

// Tags of a recipient's option fields.
enum class RecipientTag : uint16_t {
  kNotify = 1,             // RFC 3461 NOTIFY, as given
  kOriginalRecipient = 2,  // RFC 3461 ORCPT, as given
};

enum EnvelopeFlags : uint32_t {
  kBody8BitMime = 1u << 0,     // RFC 6152: BODY=8BITMIME was declared or is needed
  kBounce = 1u << 1,           // made by us
  kSubmitterUntold = 1u << 2,  // RFC 4954 section 5: AUTH=<> to the next hop, whatever the login
};

class EnvelopeBuilder {
 public:
  void SetSender(ByteView address) { Field(EnvelopeTag::kSender, address); }
  void SetLogin(ByteView login) { Field(EnvelopeTag::kLogin, login); }
  void SetClient(ByteView address) { Field(EnvelopeTag::kClient, address); }
  void SetHelo(ByteView name) { Field(EnvelopeTag::kHelo, name); }
  void SetProtocol(ByteView text) { Field(EnvelopeTag::kProtocol, text); }
  void SetCreated(WallTime when);
  void SetFlags(uint32_t flags);
  void SetHold(ByteView why) { Field(EnvelopeTag::kHold, why); }  // REQUIRES: not empty
  void AddRecipient(ByteView address);  // REQUIRES: address.size() <= 65535
  void AddRecipientOption(RecipientTag tag, ByteView value);  // of the recipient added last
  void Field(EnvelopeTag tag, ByteView value);

  uint32_t recipients() const { return recipients_; }
  size_t bytes() const { return bytes_.size(); }

  // Gives the bytes away and starts anew.
  Buffer Take();

 private:
  Buffer bytes_;
  uint32_t recipients_ = 0;
  size_t recipient_at_ = 0;  // where the last recipient's field starts in bytes_
};

struct RecipientView {
  ByteView address;
  ByteView options;  // fields with RecipientTag; read with RecipientOption()
};

// The value of an option, or nullopt.
std::optional<ByteView> RecipientOption(const RecipientView& recipient, RecipientTag tag);

class EnvelopeView {
 public:
  EnvelopeView() = default;

  // Checks every length and counts the recipients; nullopt when something does not fit or the sender is
  // missing. The view borrows `bytes`.
  static std::optional<EnvelopeView> Parse(ByteView bytes);

  ByteView sender() const { return sender_; }
  ByteView login() const { return login_; }
  ByteView client() const { return client_; }
  ByteView helo() const { return helo_; }
  ByteView protocol() const { return protocol_; }
  WallTime created() const { return created_; }
  uint32_t flags() const { return flags_; }
  ByteView hold() const { return hold_; }  // empty: it was not held
  uint32_t recipient_count() const { return recipient_count_; }
  ByteView bytes() const { return bytes_; }

  // Calls f(uint32_t index, const RecipientView&) for each recipient in order.
  template <typename F>
  void ForEachRecipient(F f) const {
    ByteView rest = bytes_;
    RecipientView recipient;
    for (uint32_t index = 0; NextRecipient(rest, recipient); index++) f(index, recipient);
  }

 private:
  static bool NextRecipient(ByteView& rest, RecipientView& recipient);

  ByteView bytes_;
  ByteView sender_;
  ByteView login_;
  ByteView client_;
  ByteView helo_;
  ByteView protocol_;
  WallTime created_{};
  ByteView hold_;
  uint32_t flags_ = 0;
  uint32_t recipient_count_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_MESSAGE_H_
