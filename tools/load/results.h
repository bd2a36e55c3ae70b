// Results: what one thread of the generator counted. Merged at the end, so that nothing is shared
// meanwhile.
#ifndef SLUICE_TOOLS_LOAD_RESULTS_H_
#define SLUICE_TOOLS_LOAD_RESULTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tools/load/histogram.h"
#include "tools/load/series.h"

namespace sluice::load {

// Where something failed. The first group ends connections, the second messages.
enum class Phase : uint8_t {
  kConnect,   // the code is an errno
  kGreeting,  // the greeting or EHLO
  kTls,       // STARTTLS, or the handshake
  kAuth,
  kProtocol,   // what came is no SMTP reply, or came unasked
  kClosing,    // 421, or a reply to a message that was not sent yet
  kTimeout,    // the server said nothing for too long
  kLost,       // the connection broke
  kEnvelope,   // a message was refused at MAIL or DATA
  kRecipient,  // a recipient was refused
  kMessage,    // a message was refused after its end
  kUnanswered  // a message was sent, in part or whole, and its connection ended: its fate is
               // unknown
};
const char* Name(Phase phase);

struct Failure {
  uint64_t count = 0;
  std::string text;  // of the first
};

// By phase and code: an SMTP reply's, an errno at kConnect, 0 where there is none.
using Failures = std::map<std::pair<Phase, int>, Failure>;
void MergeFailures(const Failures& from, Failures& to);

struct Results {
  uint64_t accepted = 0;     // messages answered 250 after their end
  uint64_t refused = 0;      // messages
  uint64_t unanswered = 0;   // messages
  uint64_t bytes = 0;        // of the content of accepted messages
  uint64_t connections = 0;  // that were tried
  uint64_t logins = 0;       // that became ready for messages
  uint64_t logins_lost = 0;  // of those, the ones that ended without our wish
  uint64_t survivors = 0;    // kIdle: sessions that were open when the holding ended
  uint64_t keepalives = 0;   // NOOPs that were sent
  uint64_t handshakes = 0;   // of TLS
  uint64_t resumed = 0;      // of those, by a ticket

  // Open loop.
  uint64_t unsent = 0;       // due, and no connection was free for them until the end
  uint64_t backlog_max = 0;  // the most that were due and waited for a connection; threads add up
  Histogram scheduled;       // from when a message (or login) was due to its answer, or the end
  Histogram lag;             // how late the generator itself saw that one was due

  Histogram login;        // from connect to ready: handshakes, EHLO, AUTH
  Histogram answer;       // from the end of data to its answer, accepted messages
  Histogram transaction;  // from MAIL to the answer, accepted messages

  Series series;  // the same second by second

  Failures failures;

  MonoTime first_connect = MonoTime::max();  // open loop: when the schedule began
  MonoTime last_answer = MonoTime::min();

  void Fail(Phase phase, int code, ByteView text);
  void Merge(const Results& other);
  uint64_t failed() const;  // all of `failures`
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_RESULTS_H_
