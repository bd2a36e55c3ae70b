// Session's AUTH (RFC 4954): a small machine of its own inside the session's. The session knows
// names and lines; what a mechanism says in them is between the client and the outside.
//
// C: AUTH LOGIN       Auth, kAuthStart; the outside: AuthChallenge: 334, and the next line is a
// response C: dXNlcg==         OnSaslLine, kAuthContinue; the outside: AuthChallenge, AuthSucceeded
// or AuthFailed C: *                OnSaslLine: 501, kAbort
#include <algorithm>

#include "core/base/base64.h"
#include "core/smtp/session.h"

namespace sluice::smtp {

Effect Session::Auth(ByteView argument, Buffer& replies) {
  if (authenticated_) return Refuse(reply::kAuthAlready, replies);
  if (!config_->offers_auth(tls_) && !config_->offers_auth(true)) {
    return Refuse(reply::kAuthNotOffered, replies);
  }
  if (argument.empty()) return Refuse(reply::kArgumentMissing, replies);
  const size_t name_bytes = std::min(argument.find(' '), argument.size());
  switch (config_->FindMechanism(tls_, argument.substr(0, name_bytes), mechanism_)) {
    case SessionConfig::Offer::kUnknown:
      return Refuse(reply::kAuthUnknownMechanism, replies);
    case SessionConfig::Offer::kNeedsTls:
      return Refuse(reply::kAuthNeedsTls, replies);
    case SessionConfig::Offer::kOffered:
      break;
  }
  ByteView response = argument.substr(name_bytes);
  while (response.starts_with(' ')) response.remove_prefix(1);
  has_auth_response_ = !response.empty();
  if (response == "=") response = {};  // there is one, and it is empty
  if (!TakeSaslResponse(response)) return Refuse(reply::kAuthBadBase64, replies);
  return Ask(Effect::kAuthStart);
}

Effect Session::OnSaslLine(ByteView line, Buffer& replies) {
  state_ = kGreeted;
  if (line == "*" || !TakeSaslResponse(line)) {
    Refuse(line == "*" ? reply::kAuthCancelled : reply::kAuthBadBase64, replies);
    return Effect::kAbort;
  }
  has_auth_response_ = true;
  return Ask(Effect::kAuthContinue);
}

bool Session::TakeSaslResponse(ByteView base64) {
  sasl_.Clear();
  if (base64.empty()) return true;
  const size_t bytes_max = Base64DecodedBytesMax(base64.size());
  char* const at = sasl_.Extend(bytes_max);
  const ptrdiff_t bytes = Base64Decode(base64, MutableBytes(at, bytes_max));
  if (bytes < 0) {
    ForgetSaslResponse();
    return false;
  }
  sasl_.Truncate(static_cast<size_t>(bytes));
  return true;
}

void Session::ForgetSaslResponse() {
  if (!sasl_.empty()) Wipe(sasl_.data(), sasl_.size());
  sasl_.Reset();
}

void Session::AuthChallenge(ByteView challenge, Buffer& replies) {
  Answered(Effect::kAuthStart, Effect::kAuthContinue);
  ForgetSaslResponse();
  state_ = kSasl;
  replies.Append("334 ");
  Base64Encode(challenge, replies);
  replies.Append("\r\n");
  CountReply(3);
}

void Session::AuthSucceeded(Buffer& replies) {
  Answered(Effect::kAuthStart, Effect::kAuthContinue);
  ForgetSaslResponse();
  authenticated_ = true;
  errors_ = 0;
  Say(reply::kAuthenticated, replies);
}

void Session::AuthFailed(AuthFailure failure, Buffer& replies) {
  Answered(Effect::kAuthStart, Effect::kAuthContinue);
  ForgetSaslResponse();
  Refuse(AuthFailureReply(failure), replies);
}

Reply AuthFailureReply(AuthFailure failure) {
  switch (failure) {
    case AuthFailure::kBadCredentials:
      return reply::kAuthBadCredentials;
    case AuthFailure::kMalformed:
      return reply::kAuthMalformed;
    case AuthFailure::kTemporary:
      return reply::kAuthTemporary;
    case AuthFailure::kTooWeak:
      return reply::kAuthTooWeak;
    case AuthFailure::kTransition:
      return reply::kAuthTransition;
    case AuthFailure::kTooMany:
      return reply::kTooManyLogins;
    case AuthFailure::kTooManySessions:
      return reply::kTooManySessions;
  }
  return reply::kAuthTemporary;
}

ByteView Session::auth_mechanism() const { return config_->mechanisms(tls_)[mechanism_]; }

}  // namespace sluice::smtp
