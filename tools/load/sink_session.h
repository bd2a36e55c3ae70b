// SinkSession: the dialogue of the sink, as a lean pure machine: canned replies, no syntax checks,
// no limits but that of a line. It is a next hop for tests and benchmarks on a network of one's
// own, and must cost little beside the server that sends to it; never let it face the world.
//
// What it is asked to do wrong comes from a FaultSwitch. What takes time or files is the caller's:
// SinkConnection.
#ifndef SLUICE_TOOLS_LOAD_SINK_SESSION_H_
#define SLUICE_TOOLS_LOAD_SINK_SESSION_H_

#include <cstdint>
#include <string>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/prng.h"
#include "tools/load/end_of_data.h"
#include "tools/load/fault_switch.h"
#include "tools/load/options.h"

namespace sluice::load {

enum class SinkEffect : uint8_t {
  kNone,      // wants input. Part of a line may be left in it
  kStartTls,  // 220 was written: shake hands, drop what was received before, TlsStarted()
  kBodyPart,  // part(): octets of the message as they came
  kMessage,   // part(): its last octets, end of data included. Answer() before the next OnInput
  kClose,     // what was to be said was written
};

class SinkSession {
 public:
  // `options`, `faults` and `prng` outlive it. `tls`: the connection began with a handshake.
  SinkSession(const SinkOptions& options, FaultSwitch& faults, Prng& prng, bool tls);

  void Greet(Buffer& out);  // OnInput says kClose next when that was a 421
  [[nodiscard]] SinkEffect OnInput(ByteView& input, Buffer& out);
  void TlsStarted();

  // Says what happens to the message just received. False: it was refused.
  bool Answer(Buffer& out);
  bool faulty() const { return faulty_; }  // the transaction is one that faults were ordered for

  ByteView part() const { return part_; }
  uint64_t message_bytes() const {
    return message_bytes_;
  }  // so far, as they came; end of data included
  // With options.store: MAIL and RCPT lines of the transaction, until the next begins.
  const std::string& envelope() const { return envelope_; }

 private:
  enum class State : uint8_t { kCommand, kAuthUser, kAuthPassword, kData, kClosed };

  SinkEffect OnLine(ByteView line, Buffer& out);
  SinkEffect OnData(ByteView& input);
  void OnAuth(ByteView line, Buffer& out);
  void Mail(ByteView line, Buffer& out);
  void Rcpt(ByteView line, Buffer& out);
  SinkEffect Data(Buffer& out);
  void Ehlo(Buffer& out);
  bool Fault(const std::string& reply, Buffer& out);
  SinkEffect Wish() const {
    return state_ == State::kClosed ? SinkEffect::kClose : SinkEffect::kNone;
  }
  void Reset();

  const SinkOptions& options_;
  FaultSwitch& faults_;
  Prng& prng_;
  State state_ = State::kCommand;
  bool tls_;
  bool mail_ = false;  // a transaction has begun
  bool faulty_ = false;
  uint32_t recipients_ = 0;
  EndOfData end_;
  uint64_t message_bytes_ = 0;
  ByteView part_;
  std::string envelope_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SINK_SESSION_H_
