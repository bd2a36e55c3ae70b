#include "tests/unit/smtp/outside.h"

#include <utility>

namespace sluice::smtp {

void Outside::Feed(ByteView input) {
  while (!closed_ && !wants_tls_) {
    const Effect effect = session_.OnInput(input, replies_);
    if (effect == Effect::kNone) {
      CHECK(input.empty());
      return;
    }
    effects.push_back(effect);
    Answer(effect);
  }
}

void Outside::StartTls() {
  CHECK(wants_tls_);
  wants_tls_ = false;
  session_.TlsStarted();
}

void Outside::OnRefusal(const Session& session, Reply reply) {
  std::string text(session.answering());
  text += " " + std::to_string(reply.code());
  if (session.in_transaction()) {
    text += " " + std::string(session.transaction().sender());
    text += " " + std::to_string(session.transaction().recipients.size());
  }
  refusals.push_back(text);
}

std::string Outside::TakeReplies() {
  std::string text(replies_.view());
  replies_.Clear();
  return text;
}

void Outside::Answer(Effect effect) {
  if (const auto refusal = refuse.find(effect); refusal != refuse.end()) {
    session_.Reject(refusal->second, replies_);
    return;
  }
  switch (effect) {
    case Effect::kNone:
      break;
    case Effect::kStartTls:
      session_.Accept(replies_);
      wants_tls_ = true;
      break;
    case Effect::kAuthStart:
    case Effect::kAuthContinue:
      AnswerAuth(effect == Effect::kAuthStart);
      break;
    case Effect::kMail: {
      body_.clear();
      parts_ = 0;
      const ByteView sender = session_.transaction().sender();
      if (sender.empty() || sender.ends_with("@example.net")) {
        session_.Accept(replies_);
      } else {
        session_.Reject(reply::kSenderNotOwned, replies_);
      }
      break;
    }
    case Effect::kRcpt:
    case Effect::kData:
      session_.Accept(replies_);
      break;
    case Effect::kBodyPart:
      TakePart();
      break;
    case Effect::kMessage: {
      TakePart();
      TakenMessage message{.sender = std::string(session_.transaction().sender()),
                           .body = std::exchange(body_, {}),
                           .parts = parts_};
      for (ByteView recipient : session_.transaction().recipients) {
        message.recipients.emplace_back(recipient);
      }
      messages.push_back(std::move(message));
      session_.Committed("ID" + std::to_string(messages.size()), replies_);
      break;
    }
    case Effect::kAbort:
      body_.clear();
      login_step_ = 0;
      break;
    case Effect::kClose:
      closed_ = true;
      break;
  }
}

void Outside::TakePart() {
  body_ += session_.transaction().body.view();
  session_.transaction().body.Clear();
  parts_++;
}

void Outside::AnswerAuth(bool start) {
  const std::string response(session_.auth_response());
  if (session_.auth_mechanism() == "PLAIN") {
    if (start && !session_.has_auth_response()) return session_.AuthChallenge("", replies_);
    const size_t first = response.find('\0');
    const size_t second = first == std::string::npos ? first : response.find('\0', first + 1);
    if (second == std::string::npos) return session_.AuthFailed(AuthFailure::kMalformed, replies_);
    return CheckCredentials(ByteView(response).substr(first + 1, second - first - 1),
                            ByteView(response).substr(second + 1));
  }
  if (session_.auth_mechanism() == "LOGIN") {
    if (start) login_step_ = 0;
    if (start && !session_.has_auth_response())
      return session_.AuthChallenge("Username:", replies_);
    if (login_step_++ == 0) {
      login_user_ = response;
      return session_.AuthChallenge("Password:", replies_);
    }
    return CheckCredentials(login_user_, response);
  }
  session_.AuthFailed(AuthFailure::kTemporary, replies_);
}

void Outside::CheckCredentials(ByteView user, ByteView password) {
  if (user == "alice@example.net" && password == "secret") {
    session_.AuthSucceeded(replies_);
  } else {
    session_.AuthFailed(AuthFailure::kBadCredentials, replies_);
  }
}

}  // namespace sluice::smtp
