#include "tools/load/generator.h"

#include <algorithm>

namespace sluice::load {
namespace {

// What every turn may spend on handshakes is the server's worry, not ours: all that are wanted run.
constexpr net::StreamLimits kStreamLimits = {.heavy_steps_turn = UINT32_MAX,
                                             .held_bytes = UINT64_MAX};

MessageTemplate::Options TemplateOptions(const RunOptions& options, WallTime now) {
  const Login first = options.users.At(0);
  return MessageTemplate::Options{.run = options.run,
                                  .bytes = options.message_bytes,
                                  .from = SenderOf(options, first),
                                  .to = FillPattern(options.recipient, 1),
                                  .date = now};
}

// "2.0.0 Ok: queued as ID" -> "ID"; empty when the server does not say so.
ByteView QueueId(ByteView reply) {
  constexpr ByteView kBefore = "queued as ";
  const size_t at = reply.find(kBefore);
  if (at == ByteView::npos) return ByteView();
  reply.remove_prefix(at + kBefore.size());
  return reply.substr(0, reply.find_first_of(" \r\n"));
}

}  // namespace

uint64_t ShareOf(uint64_t total, uint32_t index, uint32_t threads) {
  return total / threads + (index < total % threads ? 1 : 0);
}

std::string SenderOf(const RunOptions& options, const Login& login) {
  if (!options.from.empty()) return FillPattern(options.from, login.number);
  return login.name.find('@') != std::string::npos ? login.name : "load@sluice.example";
}

Generator::Generator(io::Io& io, const RunOptions& options, uint32_t index,
                     const tls::ClientContext* tls, Ledger* ledger)
    : io_(io),
      options_(options),
      tls_(tls),
      index_(index),
      streams_(io, kStreamLimits),
      message_(TemplateOptions(options, io.wall_now())),
      prng_(uint64_t{options.run} << 32 | index),
      ledger_(ledger),
      messages_max_(options.messages == 0 ? UINT64_MAX
                                          : ShareOf(options.messages, index, options.threads)) {
  for (uint32_t i = 1; i <= options.recipients; i++) {
    recipient_names_.push_back(FillPattern(options.recipient, i));
  }
  recipients_.assign(recipient_names_.begin(), recipient_names_.end());
  const uint64_t connections = ShareOf(options.connections, index, options.threads);
  for (uint64_t i = 0; i < connections; i++) {
    connections_.emplace_back(*this, options.to[(index + i * options.threads) % options.to.size()]);
  }
}

void Generator::Start() {
  if (options_.mode == RunOptions::Mode::kRun && options_.time > Duration(0)) {
    end_ = io_.now() + options_.time;
  }
  results_.first_connect = io_.now();
  for (LoadConnection& connection : connections_) Queue(connection);
  StartWaiting();
}

bool Generator::RunTurn() {
  if (!stopping_ && io_.now() >= end_) Stop();
  streams_.RunInput();
  StartWaiting();
  ledger_.Flush();
  return streams_.Flush();
}

MonoTime Generator::deadline() const {
  return std::min(stopping_ ? MonoTime::max() : end_, io_.now() + seconds(1));
}

void Generator::Stop() {
  if (stopping_) return;
  stopping_ = true;
  for (LoadConnection& connection : connections_) connection.Finish();
}

void Generator::Abort() {
  stopping_ = true;
  for (LoadConnection& connection : connections_) connection.Abort();
}

// --- what connections ask and tell ---------------------------------------------------------------

bool Generator::MoreToDo() const { return !stopping_ && messages_taken_ < messages_max_; }

std::optional<uint64_t> Generator::TakeMessage() {
  if (!MoreToDo()) return std::nullopt;
  return messages_taken_++ * options_.threads + index_ + 1;
}

// A connection whose turn comes when nothing is left to do has had its last, and none is made for
// messages that those being made will take.
void Generator::StartWaiting() {
  while (!waiting_.empty()) {
    if (!MoreToDo()) {
      waiting_.PopFront();
      at_rest_++;
      continue;
    }
    if (making_ >= std::min<uint64_t>(options_.logins_at_once, messages_max_ - messages_taken_)) {
      return;
    }
    making_++;
    results_.connections++;
    waiting_.PopFront()->Connect();
  }
}

void Generator::OnRest(LoadConnection& connection, bool failed) {
  if (!MoreToDo() || (failed && !options_.keep_going)) {
    at_rest_++;
  } else if (failed) {
    connection.BackOff();
  } else {
    Queue(connection);
  }
}

void Generator::OnAccepted(uint64_t number, ByteView reply) {
  ledger_.Add(MessageNumber{.run = options_.run, .n = number}, QueueId(reply));
  results_.accepted++;
  results_.bytes += message_.content_bytes();
}

}  // namespace sluice::load
