#include "core/server/delivery.h"

#include "absl/strings/str_cat.h"
#include "core/server/relay.h"
#include "core/server/relay_connection.h"

namespace sluice::server {

Delivery::Message::Message(Delivery& owner)
    : MessageLoad([](queue::MessageLoad& load, queue::LoadResult result) {
        Delivery& d = static_cast<Message&>(load).delivery;
        d.relay_.OnLoaded(d, result);
      }),
      delivery(owner) {}

Delivery::Part::Part(Delivery& owner)
    : PartLoad([](queue::PartLoad& load, queue::LoadResult result) {
        Delivery& d = static_cast<Part&>(load).delivery;
        if (d.connection != nullptr) {
          d.connection->OnPart(d, result);
        } else {
          d.relay_.OnStrayPart(d, result);
        }
      }),
      delivery(owner) {}

Delivery::Delivery(Relay& relay) : relay_(relay), message_(*this), part_(*this) {}

bool Delivery::Begin(queue::Queue& queue, queue::Entry& entry) {
  queue_ = &queue;
  entry_ = &entry;
  return queue.Load(entry, message_);
}

void Delivery::Prepare() {
  const queue::EnvelopeView& envelope = message_.envelope();
  recipients_.clear();
  size_t count = 0;
  envelope.ForEachRecipient([&](uint32_t index, const queue::RecipientView& recipient) {
    if (message_.finished(index)) return;
    recipients_.push_back(recipient.address);
    if (answers_.size() == count) answers_.emplace_back();
    Answered& answer = answers_[count++];
    answer.recipient = index;
    answer.code = 0;
    answer.text.clear();
    answer.mta.clear();
  });
  answers_.resize(count);
  outgoing_ = smtp::OutgoingMessage{
      .sender = envelope.sender(),
      .submitter =
          (envelope.flags() & queue::kSubmitterUntold) != 0 ? ByteView() : envelope.login(),
      .recipients = recipients_,
      .bytes = message_.content_bytes(),
      .eight_bit = (envelope.flags() & queue::kBody8BitMime) != 0,
      .at_hand = message_.parts() == 0,
  };
  accepted_text_.clear();
  route = Route();
  heard = header_asked = header_read = false;
  next_part = 0;
  stuffer = smtp::DotStuffer();
}

void Delivery::Reset() {
  part_.Reset();
  message_.Reset();
  queue_ = nullptr;
  entry_ = nullptr;
  connection = nullptr;
  restarts = 0;
}

void Delivery::LoadPart() { queue_->LoadPart(message_, next_part++, part_); }

void Delivery::Fill(Answered& answer, const smtp::PeerReply& reply, ByteView mta) {
  answer.code = static_cast<uint16_t>(reply.code());
  answer.enhanced = reply.enhanced();
  if (answer.positive()) return;  // AnswerRest keeps the words once
  answer.text = absl::StrCat(reply.code(), " ", std::string(reply.text()));
  answer.mta.assign(mta);
}

void Delivery::Answer(uint32_t recipient, const smtp::PeerReply& reply, ByteView mta) {
  heard = true;
  Fill(answers_[recipient], reply, mta);
}

void Delivery::AnswerRest(const smtp::PeerReply& reply, ByteView mta) {
  heard = true;
  if (reply.positive()) accepted_text_.assign(reply.text());
  for (Answered& answer : answers_) {
    if (answer.code == 0) Fill(answer, reply, mta);
  }
}

void Delivery::AnswerRest(ByteView words) {
  for (Answered& answer : answers_) {
    if (answer.code == 0) answer.text.assign(words);
  }
}

void Delivery::Discard() {
  for (Answered& answer : answers_) answer.code = 250;
}

}  // namespace sluice::server
