// LoadConnection: one client of the generator, for the whole run: it connects, logs in, sends
// messages, quits, and does it again when it should. It carries bytes between a Stream and an
// smtp::Client and takes the times.
//
// Times are those of loop turns: an answer's is when the turn began in which its bytes were there,
// a message's when the turn began in which it was sent. So the generator's own work in a turn is in
// them, never left out.
#ifndef SLUICE_TOOLS_LOAD_LOAD_CONNECTION_H_
#define SLUICE_TOOLS_LOAD_LOAD_CONNECTION_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "auth/sasl_client.h"
#include "core/base/intrusive_list.h"
#include "core/io/io.h"
#include "core/io/timer_wheel.h"
#include "core/net/stream.h"
#include "core/smtp/client.h"
#include "tools/load/message_files.h"
#include "tools/load/options.h"
#include "tools/load/results.h"

namespace sluice::load {

class Generator;

// What a message consists of: chosen before it starts, since MAIL says its size.
struct Body {
  const MessageFiles::File* file = nullptr;  // else the template's, so big:
  size_t bytes = 0;
};

class LoadConnection final : public net::StreamOwner, public ListNode {
 public:
  // `generator` outlives it. `number`: among the connections of all threads, from 0; it decides
  // which addresses are used, and whether the session is kept alive.
  LoadConnection(Generator& generator, uint64_t number);

  void Connect();              // kLogin: takes a task. REQUIRES: at rest
  void Pause(Duration think);  // as BackOff. REQUIRES: at rest
  void BackOff();              // goes to Generator::Queue after a while. REQUIRES: at rest

  void Go();  // what it waited for is there: a task, or the end

  // The run is over: QUIT as soon as nothing is under way. Those that are not logged in yet give
  // up, unless logins are what the run is about.
  void Finish();
  void Abort();
  bool at_rest() const { return state_ == State::kRest; }

  // --- StreamOwner ---
  void OnSecure() override;
  tls::HandshakeInfo* handshake_info() override {
    return sasl_ != nullptr && sasl_->binds ? &sasl_->info : nullptr;
  }
  void OnInput(ByteView& input) override;
  void OnInputEnd() override;
  void OnSent() override;
  void OnClosed(net::CloseReason reason) override;

 private:
  using Behaviour = RunOptions::Behaviour;
  enum class State : uint8_t { kRest, kConnecting, kLoggingIn, kOpen, kQuitting };
  enum class Think : uint8_t { kNone, kDue, kOn };  // before the next message

  // kSlow: what goes out octet by octet.
  struct Drip {
    explicit Drip(LoadConnection* owner) : timer(io::Fires<&LoadConnection::Trickle>, owner) {}
    Buffer waiting;
    io::Timer timer;
  };

  // Until it is logged in.
  struct Sasl {
    std::unique_ptr<SaslClient> client;
    bool binds = false;  // the TLS channel: the next two are needed
    tls::HandshakeInfo info;
    auth::ChannelBindings bindings;
  };

  // A message under way.
  struct Sent {
    smtp::OutgoingMessage message;
    Body body;
    uint64_t number = 0;
    MonoTime due;
    MonoTime started;
    MonoTime ended;        // its end of data was sent
    uint32_t refused = 0;  // recipients
    bool complete = false;
    bool active = false;
  };

  void OnConnect(const io::Completion& completion);
  void OnTimer();
  void MakeSasl(Login login);
  void StartTls();
  bool Is(RunOptions::Behaviour behaviour) const;
  void Misbehave();
  void Send(Buffer& out);
  void Trickle();
  void Perform(smtp::ClientEffect effect, Buffer& out);
  void OnReady();
  bool spent() const;
  void StartNext(Buffer& out);
  void SendBody(Buffer& out);
  void SendPart(Buffer& out);
  void EndBody();
  void OnResult();
  void OnClientFailed();
  void Fail(Phase phase, int code, ByteView text);
  void Rest();
  void Watch();
  void KeepAlive();
  Sent& Subject();  // what the client's effect is about

  Generator& generator_;
  const SockAddr& to_;
  SockAddr source_;  // unknown: the kernel's choice
  State state_ = State::kRest;
  bool keeps_alive_;
  Think think_ = Think::kNone;
  bool failed_ = false;   // this connection, and it was counted
  bool leaving_ = false;  // a bad client's last octets are on their way
  bool ours_ = false;     // we broke it off
  uint8_t failures_ = 0;  // in a row
  uint64_t sent_ = 0;     // messages on this connection
  MonoTime connected_;    // when Connect was called
  MonoTime due_;          // kLogin: its task's
  smtp::ClientOptions options_;
  std::unique_ptr<Sasl> sasl_;
  std::string sender_;
  std::optional<smtp::Client> client_;
  std::array<Sent, 2> messages_;
  std::unique_ptr<Drip> drip_;
  ByteView body_left_;
  ByteView body_end_;     // behind it
  tls::Session session_;  // of the last connection, with --resume
  io::Socket socket_;     // the stream's
  io::Op connect_;
  io::Timer timer_;
  net::Stream stream_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_LOAD_CONNECTION_H_
