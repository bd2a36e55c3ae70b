// SinkSession: the dialogue of the sink, as a lean pure machine: canned replies, no syntax checks,
// no limits but that of a line. It is a next hop for tests and benchmarks on a network of one's
// own, and must cost little beside the server that sends to it; never let it face the world.
//
// What it does wrong on purpose it draws from options.faults, as long as the FaultSwitch is on.
// What takes time or files is the caller's: SinkConnection.
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
  kStartTls,  // shake hands, drop what was received before, TlsStarted()
  kBodyPart,  // part(): octets of the message as they came
  kMessage,   // part(): its last octets, with DATA the end included. Answer() before the next
              // OnInput, and not before wait() is over
  kWait,      // call again after wait(), with the same input
  kClose,     // what was to be said was written
  kDrop,      // the same, but without taking leave of TLS: a connection that breaks
};

class SinkSession {
 public:
  // `options`, `faults` and `prng` outlive it.
  SinkSession(const SinkOptions& options, FaultSwitch& faults, Prng& prng);

  // Greets too: call it with no input when the connection, or implicit TLS, has begun.
  [[nodiscard]] SinkEffect OnInput(ByteView& input, Buffer& out);
  void TlsStarted();

  // Says what happens to the message just received. False: it was refused.
  bool Answer(Buffer& out);
  Duration wait() const { return wait_; }

  ByteView part() const { return part_; }
  // As it came: in chunks (RFC 3030), or with transparency and the end of data.
  bool chunked() const { return chunked_; }
  uint64_t message_bytes() const { return message_bytes_; }  // so far, of what came
  // With options.store: MAIL and RCPT lines of the transaction, until the next begins.
  const std::string& envelope() const { return envelope_; }

 private:
  enum class State : uint8_t {
    kAccepted,
    kGreeting,
    kCommand,
    kBrokenHandshake,  // the ClientHello is awaited
    kAuthUser,
    kAuthPassword,
    kData,
    kChunk,
    kRefusedChunk,
    kClosed,
    kDropped,
  };

  SinkEffect OnLine(ByteView line, Buffer& out);
  SinkEffect OnData(ByteView& input, Buffer& out);
  void TakeChunk(ByteView& input);
  SinkEffect BeginTls();
  void OnAuth(ByteView line, Buffer& out);
  void Mail(ByteView line, Buffer& out);
  void Rcpt(ByteView line, Buffer& out);
  void Data(Buffer& out);
  void Bdat(ByteView line, Buffer& out);
  void BeginBody(State state);
  void Ehlo(Buffer& out);
  void Reset();

  // Faults. Each is drawn once: those of waiting before a command is taken from the input.
  bool MustWaitBefore(ByteView line);
  bool MustWait(SinkPhase phase);
  bool Disturb(SinkPhase phase, Buffer& out);
  Duration TimeOfPart();
  bool faults_on(SinkPhase phase) const {
    return faults_ordered_ && (phase >= SinkPhase::kMail ? faulty_ : faults_.on());
  }

  const SinkOptions& options_;
  FaultSwitch& faults_;
  Prng& prng_;
  const bool faults_ordered_;
  State state_ = State::kAccepted;
  bool tls_ = false;
  bool mail_ = false;    // a transaction has begun
  bool faulty_ = false;  // ... one that faults were ordered for
  bool waited_ = false;  // for what is at hand
  bool chunked_ = false;  // the content comes by BDAT
  bool last_chunk_ = false;
  uint64_t chunk_left_ = 0;  // octets
  uint32_t recipients_ = 0;
  Duration wait_{};
  uint64_t rate_ = 0;                   // octets of the body a second; 0: no limit
  uint64_t part_owed_ = 0;              // octets of it whose time is not over
  const SinkFault* outcome_ = nullptr;  // of kTls, of kEnd
  EndOfData end_;
  uint64_t message_bytes_ = 0;
  ByteView part_;
  std::string envelope_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SINK_SESSION_H_
