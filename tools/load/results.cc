#include "tools/load/results.h"

#include <algorithm>

namespace sluice::load {

const char* Name(Phase phase) {
  switch (phase) {
    case Phase::kConnect:
      return "connect";
    case Phase::kGreeting:
      return "greeting";
    case Phase::kTls:
      return "tls";
    case Phase::kAuth:
      return "auth";
    case Phase::kProtocol:
      return "protocol";
    case Phase::kClosing:
      return "closing";
    case Phase::kTimeout:
      return "timeout";
    case Phase::kLost:
      return "lost";
    case Phase::kEnvelope:
      return "envelope";
    case Phase::kRecipient:
      return "recipient";
    case Phase::kMessage:
      return "message";
    case Phase::kUnanswered:
      return "unanswered";
  }
  return "";
}

void MergeFailures(const Failures& from, Failures& to) {
  for (const auto& [where, theirs] : from) {
    Failure& ours = to[where];
    if (ours.count == 0) ours.text = theirs.text;
    ours.count += theirs.count;
  }
}

void Results::Fail(Phase phase, int code, ByteView text) {
  series.Failed();
  Failure& failure = failures[{phase, code}];
  if (failure.count++ == 0) failure.text = text;
}

void Results::Merge(const Results& other) {
  accepted += other.accepted;
  refused += other.refused;
  unanswered += other.unanswered;
  bytes += other.bytes;
  connections += other.connections;
  logins += other.logins;
  logins_lost += other.logins_lost;
  survivors += other.survivors;
  keepalives += other.keepalives;
  handshakes += other.handshakes;
  resumed += other.resumed;
  unsent += other.unsent;
  backlog_max += other.backlog_max;
  scheduled.Merge(other.scheduled);
  lag.Merge(other.lag);
  login.Merge(other.login);
  answer.Merge(other.answer);
  transaction.Merge(other.transaction);
  series.Merge(other.series);
  MergeFailures(other.failures, failures);
  first_connect = std::min(first_connect, other.first_connect);
  last_answer = std::max(last_answer, other.last_answer);
}

uint64_t Results::failed() const {
  uint64_t sum = 0;
  for (const auto& [where, failure] : failures) sum += failure.count;
  return sum;
}

}  // namespace sluice::load
