// Outside: what surrounds a Session in the real server, played for a test: it answers each effect
// at once by simple rules, keeps the messages, and can be told to refuse.
//
// One user exists: alice@example.net with the password "secret", by PLAIN and LOGIN, who may send
// as any address of example.net and with a null sender.
#ifndef SLUICE_TESTS_UNIT_SMTP_OUTSIDE_H_
#define SLUICE_TESTS_UNIT_SMTP_OUTSIDE_H_

#include <map>
#include <string>
#include <vector>

#include "core/smtp/session.h"

namespace sluice::smtp {

struct TakenMessage {
  std::string sender;
  std::vector<std::string> recipients;
  std::string body;
  uint32_t parts = 1;
};

class Outside : private SessionObserver {
 public:
  explicit Outside(const SessionConfig& config, bool tls = false)
      : session_(config, pool_, tls, this) {
    session_.Greet(replies_);
  }

  // Gives the session a piece of input; what came of it is in effects, messages and TakeReplies().
  // Input behind STARTTLS or the end is dropped, as by a connection.
  void Feed(ByteView input);
  // The handshake that kStartTls asked for. REQUIRES: wants_tls().
  void StartTls();

  std::string TakeReplies();
  bool closed() const { return closed_; }
  bool wants_tls() const { return wants_tls_; }
  Session& session() { return session_; }

  std::map<Effect, Reply> refuse;  // these effects get this answer
  std::vector<Effect> effects;     // all so far
  std::vector<TakenMessage> messages;
  // What was refused: the command, the code, and in a transaction its sender and how many
  // recipients: "RCPT 452 alice@example.net 2".
  std::vector<std::string> refusals;

 private:
  void OnRefusal(const Session& session, Reply reply) override;
  void Answer(Effect effect);
  void AnswerAuth(bool start);
  void CheckCredentials(ByteView user, ByteView password);
  void TakePart();

  TransactionPool pool_;
  Session session_;
  Buffer replies_;
  std::string login_user_;
  std::string body_;
  int login_step_ = 0;
  uint32_t parts_ = 0;
  bool closed_ = false;
  bool wants_tls_ = false;
};

}  // namespace sluice::smtp

#endif  // SLUICE_TESTS_UNIT_SMTP_OUTSIDE_H_
