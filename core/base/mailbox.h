// Mailbox: messages from any thread to one, without locks. The receiver looks once a turn (one load when
// there is nothing) and gets what was sent in the order in which each sender sent it. The sender wakes the
// receiver itself. Bounds are the sender's: each kind of message has a bounded number under way.
#ifndef SLUICE_CORE_BASE_MAILBOX_H_
#define SLUICE_CORE_BASE_MAILBOX_H_

#include <atomic>
#include <utility>

namespace sluice {

template <typename T>
class Mailbox {
 public:
  Mailbox() = default;
  ~Mailbox() { Drain([](T&&) {}); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void Send(T message) {
    Node* node = new Node{std::move(message), head_.load(std::memory_order_relaxed)};
    while (!head_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                        std::memory_order_relaxed)) {
    }
  }

  // Calls f(T&&) for each message. Only the receiver's thread.
  template <typename F>
  void Drain(F f) {
    if (head_.load(std::memory_order_relaxed) == nullptr) return;
    Node* newest = head_.exchange(nullptr, std::memory_order_acquire);
    Node* oldest = nullptr;
    while (newest != nullptr) {  // the list is last in, first out; turn it round
      Node* next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    while (oldest != nullptr) {
      Node* node = oldest;
      oldest = node->next;
      f(std::move(node->message));
      delete node;
    }
  }

 private:
  struct Node {
    T message;
    Node* next;
  };
  std::atomic<Node*> head_{nullptr};
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_MAILBOX_H_
