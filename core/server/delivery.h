// Delivery: one attempt at one message: its bytes from the queue, the recipients still open, and what the next
// hop answered for each. Plain data with a little order; Relay and RelayConnection move it along.
#ifndef SLUICE_CORE_SERVER_DELIVERY_H_
#define SLUICE_CORE_SERVER_DELIVERY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/intrusive_list.h"
#include "core/smtp/client.h"
#include "core/smtp/dot_stuff.h"
#include "queue/queue.h"

namespace sluice::server {

class Relay;
class RelayConnection;
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
  // After a good load: lists the open recipients.
  void Prepare();
  // Forgets everything; the entry was finished or released.
  void Reset();

  // What the next hop said about a recipient (index into outgoing().recipients) ...
  void Answer(uint32_t recipient, const smtp::PeerReply& reply, ByteView mta);
  // ... and about all that have no answer yet. `code` 0: not a reply, words of our own; transient.
  void AnswerRest(const smtp::PeerReply& reply, ByteView mta);
  void AnswerRest(ByteView words);
  // relay.next_hop = ["discard"]: as if all had been delivered.
  void Discard();

  struct Answered {
    uint32_t recipient = 0;  // index in the envelope
    uint16_t code = 0;       // 0: none yet, or words of our own (transient)
    smtp::EnhancedStatus enhanced;
    std::string text;  // with the code in front, when a server said it
    std::string mta;   // who; empty: we
    bool positive() const { return code >= 200 && code < 300; }
    bool permanent() const { return code >= 500; }
  };
  const std::vector<Answered>& answers() const { return answers_; }
  // The words of the yes, which is one for all who were not refused.
  const std::string& accepted_text() const { return accepted_text_; }
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
  // Where it went in this attempt, for the event log: still known when the connection has gone.
  struct Route {
    const NextHop* hop = nullptr;  // none was reached
    bool esmtp = true;
    const char* tls_version = "";  // empty without TLS
    const char* tls_cipher = "";
  };
  Route route;
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
  void Fill(Answered& answer, const smtp::PeerReply& reply, ByteView mta);

  Relay& relay_;
  queue::Queue* queue_ = nullptr;
  queue::Entry* entry_ = nullptr;
  Message message_;
  Part part_;
  std::vector<ByteView> recipients_;
  std::vector<Answered> answers_;  // one for each of recipients_
  std::string accepted_text_;
  smtp::OutgoingMessage outgoing_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_DELIVERY_H_
