#include "core/smtp/transaction.h"

#include <utility>

namespace sluice::smtp {

TransactionPool::Handle TransactionPool::Take() {
  if (kept_.empty()) return Handle(new Transaction, Return{this});
  Transaction* transaction = kept_.back().release();
  kept_.pop_back();
  return Handle(transaction, Return{this});
}

void TransactionPool::Give(Transaction* transaction) {
  std::unique_ptr<Transaction> owned(transaction);
  if (kept_.size() == kept_max_) return;

  // A fresh transaction in the same place, but with the memory of the old one.
  AddressList recipients = std::move(owned->recipients);
  Buffer body = std::move(owned->body);
  std::destroy_at(transaction);
  std::construct_at(transaction);
  if (recipients.capacity() <= kEnvelopeBytesKept) {
    recipients.Clear();
    transaction->recipients = std::move(recipients);
  }
  if (body.capacity() <= kBodyBytesKept) {
    body.Clear();
    transaction->body = std::move(body);
  }
  kept_.push_back(std::move(owned));
}

}  // namespace sluice::smtp
