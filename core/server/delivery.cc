#include "core/server/delivery.h"

#include <algorithm>

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
  open_.clear();
  envelope.ForEachRecipient([&](uint32_t index, const queue::RecipientView& recipient) {
    if (message_.finished(index)) return;
    open_.push_back({&relay_.GroupOf(recipient.address), index, recipient.address});
  });
  const auto elsewhere = [&](const Open& open) { return open.group != open_.front().group; };
  if (std::any_of(open_.begin(), open_.end(), elsewhere)) {
    std::stable_sort(open_.begin(), open_.end(), [&](const Open& a, const Open& b) {
      return relay_.LegOrder(*a.group) < relay_.LegOrder(*b.group);
    });
  }
  recipients_.clear();
  answers_.resize(open_.size());
  legs_count_ = 0;
  for (size_t i = 0; i < open_.size(); i++) {
    recipients_.push_back(open_[i].address);
    if (i == 0 || open_[i].group != open_[i - 1].group) {
      if (legs_.size() == legs_count_) legs_.emplace_back();
      legs_[legs_count_].group = open_[i].group;
      legs_[legs_count_].begin = i;
      legs_count_++;
    }
    legs_[legs_count_ - 1].end = i + 1;
    answers_[i].recipient = open_[i].index;
    answers_[i].leg = static_cast<uint32_t>(legs_count_ - 1);
  }
  outgoing_ = smtp::OutgoingMessage{
      .sender = envelope.sender(),
      .submitter =
          (envelope.flags() & queue::kSubmitterUntold) != 0 ? ByteView() : envelope.login(),
      .recipients = recipients_,
      .bytes = message_.content_bytes(),
      .eight_bit = (envelope.flags() & queue::kBody8BitMime) != 0,
      .at_hand = message_.parts() == 0,
  };
  leg_ = 0;
  BeginLeg();
}

void Delivery::BeginLeg() {
  Leg& now = leg();
  outgoing_.recipients =
      std::span<const ByteView>(recipients_).subspan(now.begin, now.end - now.begin);
  answers_end_ = now.end;
  RestartLeg();
}

void Delivery::RestartLeg() {
  for (Answered& answer : LegAnswers()) {
    answer.code = 0;
    answer.text.clear();
    answer.mta.clear();
  }
  leg().accepted_text.clear();
  leg().route = Route();
  heard = header_asked = header_read = false;
  next_part = 0;
  stuffer = smtp::DotStuffer();
}

bool Delivery::NextLeg() {
  if (leg_ + 1 == legs_count_) return false;
  leg_++;
  restarts = 0;
  BeginLeg();
  return true;
}

bool Delivery::DropLeg() {
  answers_end_ = leg().begin;
  return leg_ > 0;
}

std::span<Delivery::Answered> Delivery::LegAnswers() {
  return std::span<Answered>(answers_).subspan(leg().begin, leg().end - leg().begin);
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
  Fill(LegAnswers()[recipient], reply, mta);
}

void Delivery::AnswerRest(const smtp::PeerReply& reply, ByteView mta) {
  heard = true;
  if (reply.positive()) leg().accepted_text.assign(reply.text());
  for (Answered& answer : LegAnswers()) {
    if (answer.code == 0) Fill(answer, reply, mta);
  }
}

void Delivery::AnswerRest(ByteView words) {
  for (Answered& answer : LegAnswers()) {
    if (answer.code == 0) answer.text.assign(words);
  }
}

void Delivery::Discard() {
  for (Answered& answer : LegAnswers()) answer.code = 250;
}

}  // namespace sluice::server
