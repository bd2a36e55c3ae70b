// SinkFaults: what a sink does wrong on purpose, and how often: at PHASE, ACTION, in SHARE of the
// cases. `--fault` takes such texts; README.md beside this file has the grammar and examples.
//
//   rcpt=450 4.2.0 Later@10%   end=20ms-80ms   data=drop@5%   body=64KiB/s   tls=garbage
#ifndef SLUICE_TOOLS_LOAD_SINK_FAULTS_H_
#define SLUICE_TOOLS_LOAD_SINK_FAULTS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/base/prng.h"
#include "core/base/time.h"

namespace sluice::load {

// Of a connection to the sink, in their order.
enum class SinkPhase : uint8_t {
  kConnect,   // accepted, before anything is said
  kGreeting,  // instead of 220; under implicit TLS after the handshake
  kEhlo,
  kStartTls,
  kTls,  // the handshake
  kAuth,
  kMail,
  kRcpt,
  kData,
  kBody,  // while it comes
  kEnd,   // the answer to a message
};
inline constexpr size_t kSinkPhases = 11;

struct SinkFault {
  enum class Action : uint8_t {
    kReply,    // says `reply`; one that begins with 421 closes too
    kDrop,     // ends the connection instead of answering
    kGarbage,  // kTls: answers with what is no TLS, then ends
    kWait,     // answers (kBody: reads on) after a time between `wait_min` and `wait_max`
    kSlow,     // kBody: reads so many octets a second
  };
  SinkPhase phase;
  Action action = Action::kDrop;
  std::string reply;
  Duration wait_min{};
  Duration wait_max{};
  uint64_t bytes_per_second = 0;
  double percent = 100;
};

class SinkFaults {
 public:
  // Takes "PHASE=ACTION" or "PHASE=ACTION@SHARE%". The error says what was expected. The shares of
  // what excludes each other at a phase (replies, drop, garbage) add up to 100 at most.
  absl::Status Add(std::string_view text);

  bool empty() const { return empty_; }

  // What is done instead at `phase` this time; nullptr: nothing.
  const SinkFault* Outcome(SinkPhase phase, Prng& prng) const;
  Duration Wait(SinkPhase phase, Prng& prng) const;  // 0: none
  uint64_t BytesPerSecond(Prng& prng) const;         // of a body; 0: as fast as it comes

  uint64_t messages = 0;  // faults end after so many transactions (FaultSwitch); 0: no limit

 private:
  struct AtPhase {
    std::vector<SinkFault> outcomes;  // one draw decides among them
    std::vector<SinkFault> waits;     // each has a chance of its own
    std::vector<SinkFault> slow;
  };
  const AtPhase& at(SinkPhase phase) const { return phases_[static_cast<size_t>(phase)]; }

  std::array<AtPhase, kSinkPhases> phases_;
  bool empty_ = true;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SINK_FAULTS_H_
