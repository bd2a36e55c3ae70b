// DovecotClient: a shard's connection to a Dovecot authentication server, over its client protocol
// (auth/dovecot_protocol.h), and the attempts to log in that are decided there.
//
//   Connection -- AUTH --> DovecotAttempt -- AUTH, CONT, CANCEL --> the server
//              <- OnLoginResult --         <-- CONT, OK, FAIL ----
//
// One connection serves all sessions of the shard; requests have numbers. It is made at start and
// made again, by a timer, whenever it is lost. While there is none every AUTH gets 454 4.7.0 at
// once, and so do those whose answer was awaited when it was lost; no client is closed for it.
//
// Bounds: requests whose answer the server owes (kRequestsMax), octets that it has not taken, time
// to an answer. Requests that wait for their client are bounded by the sessions. One thread.
#ifndef SLUICE_CORE_SERVER_DOVECOT_CLIENT_H_
#define SLUICE_CORE_SERVER_DOVECOT_CLIENT_H_

#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "auth/authenticator.h"
#include "auth/dovecot_protocol.h"
#include "core/base/intrusive_list.h"
#include "core/base/slab.h"
#include "core/base/sock_addr.h"
#include "core/io/timer_wheel.h"
#include "core/net/stream.h"
#include "core/server/counters.h"

namespace sluice::server {

class DovecotClient;
class Shard;

// Of whom an attempt is: what the server hears beside the mechanism.
struct DovecotPeer {
  SlabHandle connection;
  uint64_t session = 0;
  SockAddr client;
  SockAddr listener;
  bool tls = false;
};

class DovecotAttempt final : public auth::LoginAttempt, public ListNode {
 public:
  DovecotAttempt(DovecotClient& client, auth::Mechanism mechanism, const DovecotPeer& peer);
  ~DovecotAttempt() override;  // tells the server that nobody waits any more

  Result Start(std::optional<ByteView> initial, MonoTime now) override;
  Result Continue(ByteView response, MonoTime now) override;
  Result OnVerified(const auth::VerifyToken&, auth::Verdict, MonoTime) override {
    return Result::kWait;  // there is no verifier here: it was another attempt's
  }
  ByteView challenge() const override { return challenge_; }
  const std::string& login() const override { return login_; }

 private:
  friend class DovecotClient;

  Result OnAnswer(auth::DovecotReader::Event event, const auth::DovecotReader& answer);
  Result OnOk(const auth::DovecotReader& answer);

  DovecotClient& client_;
  const DovecotPeer peer_;
  uint32_t id_ = 0;  // 0: not known to the server
  MonoTime asked_;   // when the server last heard of it
  std::string challenge_;
  std::string login_;
};

class DovecotClient final : public net::StreamOwner {
 public:
  static constexpr uint32_t kRequestsMax = 1024;

  // `socket`: auth.dovecot_socket. The shard outlives this.
  DovecotClient(Shard& shard, const std::string& socket);
  ~DovecotClient();

  void Start();
  // Ends the connection; no other is made. Then, soon:
  void Stop();
  bool idle() const { return !attached_ && !connect_.in_flight(); }

  std::unique_ptr<DovecotAttempt> Begin(auth::Mechanism mechanism, const DovecotPeer& peer) {
    return std::make_unique<DovecotAttempt>(*this, mechanism, peer);
  }

  // --- StreamOwner ---
  void OnInput(ByteView& input) override;
  void OnInputEnd() override;
  void OnClosed(net::CloseReason reason) override;

 private:
  friend class DovecotAttempt;

  enum class State : uint8_t {
    kResting,  // until the timer
    kConnecting,
    kGreeting,  // connected; the server has yet to introduce itself
    kReady,
    kClosing,  // ours to give up; OnClosed comes
    kStopped,
  };

  // --- for attempts ---
  // False: it would be too long for the server. REQUIRES: can_ask.
  bool Ask(DovecotAttempt& attempt, std::optional<ByteView> initial);
  bool Answer(DovecotAttempt& attempt, ByteView response);
  void Forget(DovecotAttempt& attempt);
  bool can_ask() const;
  bool offers(auth::Mechanism mechanism) const { return reader_.offered().Has(mechanism); }
  void Warn(ByteView words);  // once a connection
  Shard& shard() { return shard_; }

  void Connect();
  void OnConnect(const io::Completion& completion);
  void OnReady();
  void OnAnswer(auth::DovecotReader::Event event, DovecotAttempt& attempt);
  void OnTimer();
  void CheckAnswers();
  void Conclude(DovecotAttempt& attempt, DovecotResult result);
  void Lost(DovecotAttempt& attempt);
  void Lose(ByteView why);
  void Rest();
  void TellLoss();
  void LoseAll();
  bool Send(bool fits);
  void AwaitAnswer(DovecotAttempt& attempt);
  void ArmTimer(Duration delay);

  Shard& shard_;
  const std::string name_;  // as configured, for the log
  SockAddr address_;        // unknown: the other one
  sockaddr_un path_{};
  net::Stream stream_;
  io::Op connect_;
  io::Timer timer_;
  auth::DovecotReader reader_;
  State state_ = State::kResting;
  bool attached_ = false;
  bool down_told_ = false;  // that it is lost, or was not there at start
  bool warned_ = false;
  MonoTime ready_since_;
  MonoTime heard_;    // when something last came
  Duration backoff_;  // the next rest
  std::string why_;   // it was given up
  uint32_t last_id_ = 0;
  absl::flat_hash_map<uint32_t, DovecotAttempt*> requests_;  // all that the server knows of
  IntrusiveList<DovecotAttempt> awaited_;  // those whose answer it owes, for longest first
  uint32_t awaited_count_ = 0;
  Buffer out_;  // scratch
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_DOVECOT_CLIENT_H_
