#include "auth/bearer_exchange.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "auth/gs2_header.h"
#include "auth/prepare.h"
#include "core/base/buffer.h"
#include "core/base/check.h"
#include "core/base/json_writer.h"

namespace sluice::auth {
namespace {

constexpr char kSeparator = '\x01';

struct BearerMessage {
  std::string authorization;      // empty: none
  std::optional<ByteView> token;  // nothing: there is none, or it is no bearer's
};

// The value of `auth`: a scheme, in any case (RFC 7235 section 2.1), and the token.
std::optional<ByteView> TokenOf(ByteView credentials) {
  constexpr ByteView kScheme = "Bearer ";
  if (!StartsWithIgnoreCase(credentials, kScheme)) return std::nullopt;
  credentials.remove_prefix(
      std::min(credentials.find_first_not_of(' ', kScheme.size()), credentials.size()));
  if (credentials.empty()) return std::nullopt;
  return credentials;
}

// client-resp = gs2-header kvsep *(key "=" value kvsep) kvsep
// Keys other than `auth` say what an HTTP request would have been; they are of no use here. Without
// `auth` a client asks where tokens are to be had.
bool ReadOauthBearer(ByteView message, BearerMessage& read) {
  Gs2Header header;
  if (!TakeGs2Header(message, header)) return false;
  if (header.flag != "n" && header.flag != "y") return false;  // no channel binding (section 3.1)
  read.authorization = std::move(header.authorization);
  if (!message.starts_with(kSeparator)) return false;
  message.remove_prefix(1);
  bool has_auth = false;
  while (!message.starts_with(kSeparator)) {
    const size_t end = message.find(kSeparator);
    if (end == ByteView::npos) return false;
    const ByteView pair = message.substr(0, end);
    message.remove_prefix(end + 1);
    const size_t equals = pair.find('=');
    if (equals == ByteView::npos || equals == 0) return false;
    const ByteView key = pair.substr(0, equals);
    if (!std::all_of(key.begin(), key.end(), IsAsciiAlpha)) return false;
    if (key != "auth") continue;
    if (std::exchange(has_auth, true)) return false;
    read.token = TokenOf(pair.substr(equals + 1));
  }
  return message.size() == 1;
}

// "user=" name kvsep "auth=" scheme token kvsep kvsep
bool ReadXoauth2(ByteView message, BearerMessage& read) {
  constexpr ByteView kUser = "user=";
  constexpr ByteView kAuth = "auth=";
  constexpr ByteView kEnd = "\x01\x01";
  if (!message.starts_with(kUser) || !message.ends_with(kEnd)) return false;
  message.remove_prefix(kUser.size());
  message.remove_suffix(kEnd.size());
  const size_t end = message.find(kSeparator);
  if (end == ByteView::npos) return false;
  read.authorization = message.substr(0, end);
  message.remove_prefix(end + 1);
  if (!message.starts_with(kAuth) || message.find(kSeparator) != ByteView::npos) return false;
  read.token = TokenOf(message.substr(kAuth.size()));
  return true;
}

std::string Refusal(BearerExchange::Form form, const TokenRules& rules) {
  const bool google = form == BearerExchange::Form::kXoauth2;
  Buffer text;
  JsonWriter json(&text);
  json.BeginObject();
  json.Field("status", google ? "400" : "invalid_token");
  if (google) json.Field("schemes", "Bearer");
  if (!rules.scope.empty()) json.Field("scope", rules.scope);
  if (!google && !rules.openid_configuration.empty()) {
    json.Field("openid-configuration", rules.openid_configuration);
  }
  json.EndObject();
  return std::string(text.view());
}

}  // namespace

BearerExchange::BearerExchange(Form form, const ExchangeContext& context)
    : form_(form), tokens_(context.tokens), now_(context.now) {
  CHECK(tokens_ != nullptr);
}

Next BearerExchange::Done(Failure failure) {
  state_ = State::kDone;
  return Fail(failure);
}

// Tells the client why; the failure follows its answer.
Next BearerExchange::Refuse(ByteView reason) {
  state_ = State::kRefused;
  detail_ = reason;
  refusal_ = Refusal(form_, tokens_->rules());
  return Challenge(refusal_);
}

Next BearerExchange::Start(std::optional<ByteView> initial) {
  CHECK(state_ == State::kStart);
  state_ = State::kToken;
  return initial.has_value() ? OnToken(*initial) : Challenge("");
}

Next BearerExchange::Step(ByteView response) {
  if (state_ == State::kToken) return OnToken(response);
  CHECK(state_ == State::kRefused);  // whatever the answer is
  return Done(Failure::kCredentials);
}

Next BearerExchange::OnToken(ByteView message) {
  BearerMessage read;
  const bool well_formed =
      form_ == Form::kOauthBearer ? ReadOauthBearer(message, read) : ReadXoauth2(message, read);
  if (!well_formed) return Done(Failure::kMalformed);

  std::string claimed;
  const TokenFault fault =
      read.token.has_value() ? tokens_->Verify(*read.token, now_, claimed) : TokenFault::kMalformed;
  if (fault != TokenFault::kNone) {
    // Who it says it is, for the log alone.
    static_cast<void>(PrepareLogin(read.authorization, Purpose::kQuery, login_));
    return Refuse(Explain(fault));
  }
  if (PrepareLogin(claimed, Purpose::kQuery, login_) != Prepared::kOk) {
    return Refuse(Explain(TokenFault::kLogin));
  }
  authorization_ = read.authorization;
  state_ = State::kRecord;
  return Next::kLookup;
}

Next BearerExchange::OnRecord(const CredentialRecord* record) {
  CHECK(state_ == State::kRecord);
  if (record == nullptr || !record->may_log_in()) {
    return Refuse("the token is good, but its user is unknown or disabled");
  }
  state_ = State::kDone;
  return Next::kSuccess;
}

Next BearerExchange::OnRefused() {
  CHECK(state_ == State::kDone);
  return Refuse({});  // who asked knows why
}

Next BearerExchange::OnVerified(Verdict) {
  CHECK(false);  // never wished for
  return Next::kFailure;
}

}  // namespace sluice::auth
