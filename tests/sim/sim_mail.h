// The people around a simulated shard: clients that submit, a next hop that takes mail and misbehaves, and the
// account of both by which a test says what was promised and what came.
#ifndef SLUICE_TESTS_SIM_SIM_MAIL_H_
#define SLUICE_TESTS_SIM_SIM_MAIL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "auth/credential_store.h"
#include "auth/verifier.h"
#include "tests/sim/sim_io.h"

namespace sluice::sim {

inline constexpr char kUser[] = "ann@example.net";
inline constexpr char kPassword[] = "correct horse";
inline constexpr char kLocalDomain[] = "local.example";  // with a next hop of its own

// One user, whose keys cost a single round.
class OneUserStore final : public auth::CredentialSource {
 public:
  OneUserStore();
  auth::LookupStatus Lookup(ByteView login, auth::CredentialRecord& record) override;

 private:
  auth::CredentialRecord record_;
};

// Verifier threads in virtual time: verdicts come when the world likes.
class SimVerifier final : public auth::PasswordVerifier, public EventSource {
 public:
  using Sink = std::function<void(const auth::VerifyToken&, auth::Verdict)>;
  explicit SimVerifier(Sink sink) : sink_(std::move(sink)) {}
  bool Submit(auth::VerifyJob&& job) override;
  bool Pending() override { return !jobs_.empty(); }
  void RunOne() override;

 private:
  Sink sink_;
  std::deque<auth::VerifyJob> jobs_;
};

// What was promised and what came, over all crashes of a run. Messages are named by a number in their content.
struct Account {
  struct Message {
    std::string content;  // as the client sent it, behind the header that the server adds
    bool acknowledged = false;
    std::set<std::string> recipients;
    std::map<std::string, int> delivered;  // how often to each recipient
    std::string queue_id;
  };
  std::map<int, Message> messages;
  int bounces = 0;  // delivered to the sender
  std::map<int, std::set<std::string>> bounced;  // the recipients that a message's bounces named
  int early_answers = 0;
  int split = 0;   // messages that were delivered to both next hops
  int chunks = 0;  // that a next hop read to the end
  int next = 1;
};

// A client: EHLO, AUTH PLAIN, some messages, QUIT; pipelined or not, and ready for any refusal. One
// that is a `stranger` does not log in, and writes to local addresses alone.
class MailClient final : public Remote {
 public:
  MailClient(SimIo& io, Account& account, int messages, bool stranger = false);
  void OnConnected(PeerId peer) override;
  void OnBytes(PeerId peer, ByteView bytes) override;
  void OnClosed(PeerId peer, bool reset) override;
  bool closed() const { return closed_; }

 private:
  enum class State { kGreeting, kEhlo, kAuth, kMail, kRcpt, kData, kBody, kQuit, kOver };
  void OnReply(const std::string& line);
  void StartMessage();
  void SendRcpt();
  void SendBody();
  void Send(const std::string& text) { io_.PeerSend(peer_, text); }
  void Quit();

  SimIo& io_;
  Account& account_;
  int left_;
  PeerId peer_ = 0;
  State state_ = State::kGreeting;
  bool pipelined_;
  bool stranger_;
  std::string input_;
  int message_ = 0;
  uint32_t recipients_ = 1;  // of the message
  uint32_t answered_ = 0;    // of them
  bool closed_ = false;
};

struct HopFaults {
  uint32_t transient_per_thousand = 0;  // 4xx to MAIL, RCPT or the end of data
  uint32_t permanent_per_thousand = 0;  // 550 to RCPT
  uint32_t drop_per_thousand = 0;       // closes without a word instead of answering
  uint32_t early_per_thousand = 0;      // answers in the middle of a body, and goes on reading or closes
  bool pipelining = true;
  bool chunking = false;  // with pipelining
};

// A next hop. It answers what a plain server would, or what its faults say. `local`: that of the
// local domain, which nothing else may reach, and whose mail may reach no other.
class NextHopServer final : public Remote {
 public:
  NextHopServer(SimIo& io, Account& account, bool local)
      : io_(io), account_(account), local_(local) {}
  HopFaults faults;
  void OnConnected(PeerId peer) override;
  void OnBytes(PeerId peer, ByteView bytes) override;
  void OnClosed(PeerId peer, bool reset) override { sessions_.erase(peer); (void)reset; }

 private:
  struct Session {
    std::string input;
    std::string sender;
    std::vector<std::string> recipients;
    std::string content;
    bool in_data = false;
    bool in_chunk = false;
    bool open = false;      // a transaction that neither RSET nor success has ended
    size_t chunk_left = 0;  // octets
    bool dropped = false;
    bool answered_early = false;
  };
  void OnLine(PeerId peer, Session& session, const std::string& line);
  bool OnChunk(PeerId peer, Session& session);
  int NumberOf(const Session& session);
  void AnswerEarly(PeerId peer, Session& session);
  bool OnMessage(PeerId peer, Session& session);
  void Reply(PeerId peer, const std::string& text) { io_.PeerSend(peer, text + "\r\n"); }
  bool Chance(uint32_t per_thousand) { return io_.prng().Chance(per_thousand, 1000); }

  SimIo& io_;
  Account& account_;
  const bool local_;
  std::map<PeerId, Session> sessions_;
};

// The number that names a message, from its content; 0: none.
int MessageNumber(ByteView content);

}  // namespace sluice::sim

#endif  // SLUICE_TESTS_SIM_SIM_MAIL_H_
