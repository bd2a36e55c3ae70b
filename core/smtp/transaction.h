// Transaction: all that a session knows between MAIL and the reply to the end of data. It is apart
// from the session so that RSET is one assignment and an idle session does not pay for it.
//
// Transactions are borrowed from a pool, one pool a shard, and return to it with their memory: in
// the steady state a message allocates nothing but the body that the outside takes away. One
// thread.
#ifndef SLUICE_CORE_SMTP_TRANSACTION_H_
#define SLUICE_CORE_SMTP_TRANSACTION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/buffer.h"
#include "core/smtp/address_list.h"
#include "core/smtp/body_reader.h"
#include "core/smtp/header_filter.h"
#include "core/smtp/limits.h"
#include "core/smtp/reply.h"

namespace sluice::smtp {

struct Transaction {
  ByteView sender() const { return ByteView(sender_text, sender_bytes); }  // empty: the null sender
  // AUTH= (RFC 4954 section 5), xtext decoded, when has_auth_parameter: printable, and mostly a
  // mailbox. Empty means "<>".
  ByteView auth_parameter() const { return auth_text.view(); }

  // While Effect::kRcpt waits for its answer, the last one is the one in question.
  AddressList recipients;

  // Content as it is to be stored, without our trace fields: unstuffed, filtered. The outside may
  // move or swap it away at kBodyPart (must leave it empty) and at kMessage.
  Buffer body;
  uint64_t body_bytes = 0;      // of content so far, parts taken away and what was dropped included
  uint32_t parts_taken = 0;     // kBodyPart effects so far
  uint64_t declared_bytes = 0;  // SIZE=, 0 when absent
  bool eight_bit = false;       // BODY=8BITMIME
  bool has_auth_parameter = false;

  HeaderFilter header;  // complete at the first kBodyPart or kMessage

  // A smaller bound for the message than the listener's. Before its first octet.
  void LimitBytes(uint64_t bytes_max) { reader.LimitBytes(bytes_max); }

  // The session's own. A refused message is read to its end, and `refusal` is said there.
  void RefuseAtEnd(Reply reply) {
    refusal = reply;
    reader.Drop();
  }
  BodyReader reader{BodyReader::Options{}};
  Reply refusal{};
  Buffer auth_text;
  uint16_t sender_bytes = 0;
  char sender_text[kMailboxBytesMax];
};

class TransactionPool {
 public:
  // `kept_max`: free transactions kept for the next user; others are freed.
  explicit TransactionPool(size_t kept_max = 64) : kept_max_(kept_max) { kept_.reserve(kept_max); }
  TransactionPool(const TransactionPool&) = delete;
  TransactionPool& operator=(const TransactionPool&) = delete;

  struct Return {
    TransactionPool* pool;
    void operator()(Transaction* transaction) const { pool->Give(transaction); }
  };
  using Handle = std::unique_ptr<Transaction, Return>;  // must not outlive the pool

  Handle None() { return Handle(nullptr, Return{this}); }
  Handle Take();

 private:
  // Memory beyond these is not kept: one huge message must not be paid for ever after.
  static constexpr size_t kBodyBytesKept = size_t{128} << 10;
  static constexpr size_t kEnvelopeBytesKept = size_t{16} << 10;

  void Give(Transaction* transaction);

  const size_t kept_max_;
  std::vector<std::unique_ptr<Transaction>> kept_;
};

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_TRANSACTION_H_
