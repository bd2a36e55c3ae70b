// Delivery: one attempt at one message: its bytes from the queue, the recipients still open, and
// what the next hops answered for each. Plain data with a little order; Relay and RelayConnection
// move it along.
//
// Recipients that go to different next hops are legs, one after the other: what a leg achieved is
// recorded when all have been tried, in one record and with one report of all that failed. Most
// messages have one leg.
#ifndef SLUICE_CORE_SERVER_DELIVERY_H_
#define SLUICE_CORE_SERVER_DELIVERY_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/intrusive_list.h"
#include "core/smtp/client.h"
#include "core/smtp/dot_stuff.h"
#include "queue/queue.h"

namespace sluice::server {

class Relay;
class RelayConnection;
struct HopGroup;
struct NextHop;

// A queue id as text, without an allocation.
class QueueIdText {
 public:
  explicit QueueIdText(queue::QueueId id) { id.Print(text_); }
  ByteView view() const { return ByteView(text_, sizeof text_); }

 private:
  char text_[queue::QueueId::kTextBytes];
};

class Delivery : public ListNode {
 public:
  explicit Delivery(Relay& relay);

  // Begins with an entry from TakeDue. True: loaded at once; otherwise Relay::OnLoaded tells.
  bool Begin(queue::Queue& queue, queue::Entry& entry);
  // After a good load: lists the open recipients, and begins the first leg.
  void Prepare();
  // Begins this leg again: nothing has been said about it that counts.
  void RestartLeg();
  // The leg at hand is answered. False: it was the last.
  bool NextLeg();
  // The leg at hand was not tried. False: nor was any other before it.
  bool DropLeg();
  // Forgets everything; the entry was finished or released.
  void Reset();

  // What the next hop said about a recipient (index into outgoing().recipients) ...
  void Answer(uint32_t recipient, const smtp::PeerReply& reply, ByteView mta);
  // ... and about all of the leg that have no answer yet. `code` 0: not a reply, words of our own;
  // transient.
  void AnswerRest(const smtp::PeerReply& reply, ByteView mta);
  void AnswerRest(ByteView words);
  // relay.next_hop = ["discard"]: as if all had been delivered.
  void Discard();

  struct Answered {
    uint32_t recipient = 0;  // index in the envelope
    uint32_t leg = 0;
    uint16_t code = 0;       // 0: none yet, or words of our own (transient)
    smtp::EnhancedStatus enhanced;
    std::string text;  // with the code in front, when a server said it
    std::string mta;   // who; empty: we
    bool positive() const { return code >= 200 && code < 300; }
    bool permanent() const { return code >= 500; }
  };
  // Of all legs so far.
  std::span<const Answered> answers() const { return {answers_.data(), answers_end_}; }
  ByteView recipient(const Answered& answer) const {
    return recipients_[static_cast<size_t>(&answer - answers_.data())];
  }
  const smtp::OutgoingMessage& outgoing() const { return outgoing_; }
  queue::Queue& queue() { return *queue_; }
  queue::Entry& entry() { return *entry_; }
  queue::MessageLoad& message() { return message_; }

  // --- the body on its way out ---
  smtp::DotStuffer stuffer;
  size_t next_part = 0;
  // Reads the next part; RelayConnection::OnPart tells.
  void LoadPart();
  queue::PartLoad& part() { return part_; }

  RelayConnection* connection = nullptr;
  // Where a leg went in this attempt, for the event log: still known when the connection has gone.
  struct Route {
    const NextHop* hop = nullptr;  // none was reached
    bool esmtp = true;
    const char* tls_version = "";  // empty without TLS
    const char* tls_cipher = "";
  };
  struct Leg {
    HopGroup* group = nullptr;
    size_t begin = 0, end = 0;  // of answers()
    std::string accepted_text;  // the words of the yes, which is one for all who were not refused
    Route route;
  };
  Leg& leg() { return legs_[leg_]; }
  const Leg& leg_of(const Answered& answer) const { return legs_[answer.leg]; }
  bool heard = false;    // the server has said something about it
  bool header_asked = false;  // the first part is read for the sake of a bounce ...
  bool header_read = false;   // ... and is there
  uint8_t restarts = 0;       // connections it was lost with

 private:
  struct Message : queue::MessageLoad {
    explicit Message(Delivery& owner);
    Delivery& delivery;
  };
  struct Part : queue::PartLoad {
    explicit Part(Delivery& owner);
    Delivery& delivery;
  };
  void BeginLeg();
  std::span<Answered> LegAnswers();
  void Fill(Answered& answer, const smtp::PeerReply& reply, ByteView mta);

  Relay& relay_;
  queue::Queue* queue_ = nullptr;
  queue::Entry* entry_ = nullptr;
  Message message_;
  Part part_;
  struct Open {
    HopGroup* group;
    uint32_t index;  // in the envelope
    ByteView address;
  };
  std::vector<Open> open_;            // scratch of Prepare
  std::vector<ByteView> recipients_;  // in the order of the legs
  std::vector<Answered> answers_;     // one for each of recipients_
  size_t answers_end_ = 0;            // of the leg at hand
  std::vector<Leg> legs_;             // as many as were ever needed
  size_t legs_count_ = 0;
  size_t leg_ = 0;
  smtp::OutgoingMessage outgoing_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_DELIVERY_H_
