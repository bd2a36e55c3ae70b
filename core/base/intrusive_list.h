// A doubly linked list whose links live in its members: joining and leaving never allocates, and a
// member that is destroyed leaves by itself. One thread.
#ifndef SLUICE_CORE_BASE_INTRUSIVE_LIST_H_
#define SLUICE_CORE_BASE_INTRUSIVE_LIST_H_

#include "core/base/check.h"

namespace sluice {

struct ListNode {
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { Unlink(); }

  bool linked() const { return next != nullptr; }
  void Unlink() {
    if (!linked()) return;
    prev->next = next;
    next->prev = prev;
    next = prev = nullptr;
  }

  ListNode* prev = nullptr;
  ListNode* next = nullptr;
};

// T derives from ListNode, or from several through a Tag: struct Tag; class T : public TaggedNode<Tag>.
template <typename Tag>
struct TaggedNode : ListNode {};

template <typename T, typename Node = ListNode>
class IntrusiveList {
 public:
  IntrusiveList() { head_.prev = head_.next = &head_; }
  ~IntrusiveList() {
    while (!empty()) PopFront();
    head_.prev = head_.next = nullptr;
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return head_.next == &head_; }
  T* front() { return empty() ? nullptr : Cast(head_.next); }

  void PushBack(T& item) { InsertBefore(head_, static_cast<Node&>(item)); }
  void PushFront(T& item) { InsertBefore(*head_.next, static_cast<Node&>(item)); }
  T* PopFront() {
    if (empty()) return nullptr;
    ListNode* node = head_.next;
    node->Unlink();
    return Cast(node);
  }

  // The member after `item`, or nullptr at the end.
  T* Next(T& item) {
    ListNode* next = static_cast<Node&>(item).next;
    return next == &head_ ? nullptr : Cast(next);
  }

  // Takes over all members of `other`, in order, behind our own.
  void Splice(IntrusiveList& other) {
    while (T* item = other.PopFront()) PushBack(*item);
  }

 private:
  static T* Cast(ListNode* node) { return static_cast<T*>(static_cast<Node*>(node)); }
  static void InsertBefore(ListNode& position, ListNode& node) {
    DCHECK(!node.linked());
    node.prev = position.prev;
    node.next = &position;
    position.prev->next = &node;
    position.prev = &node;
  }

  ListNode head_;
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_INTRUSIVE_LIST_H_
