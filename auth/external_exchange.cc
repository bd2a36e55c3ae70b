#include "auth/external_exchange.h"

#include <algorithm>

#include "auth/prepare.h"
#include "core/base/check.h"

namespace sluice::auth {

ExternalExchange::ExternalExchange(const ExchangeContext& context) : identity_(context.external) {}

Next ExternalExchange::Done(Failure failure, ByteView detail) {
  state_ = State::kDone;
  return Fail(failure, detail);
}

Next ExternalExchange::Start(std::optional<ByteView> initial) {
  CHECK(state_ == State::kStart);
  state_ = State::kResponse;
  return initial.has_value() ? Step(*initial) : Challenge("");
}

Next ExternalExchange::Step(ByteView response) {
  CHECK(state_ == State::kResponse);
  if (identity_ == nullptr) {
    return Done(Failure::kCredentials, "the client has shown no certificate");
  }
  if (identity_->logins.empty()) return Done(Failure::kCredentials, identity_->problem);
  login_ = identity_->logins.front();
  if (!response.empty()) {
    std::string asked;
    const bool is_login = PrepareLogin(response, Purpose::kQuery, asked) == Prepared::kOk;
    const auto& logins = identity_->logins;
    if (!is_login) {
      return Done(Failure::kCredentials, "the authorization identity asked for is no login");
    }
    if (std::find(logins.begin(), logins.end(), asked) != logins.end()) {
      login_ = asked;
    } else {
      authorization_ = asked;
    }
  }
  state_ = State::kRecord;
  return Next::kLookup;
}

Next ExternalExchange::OnRecord(const CredentialRecord* record) {
  CHECK(state_ == State::kRecord);
  if (record == nullptr) return Done(Failure::kCredentials, "the certificate's login is no user");
  if (!record->may_log_in()) return Done(Failure::kCredentials, "the user is disabled");
  state_ = State::kDone;
  return Next::kSuccess;
}

Next ExternalExchange::OnVerified(Verdict) {
  CHECK(false);  // never wished
  return Next::kFailure;
}

}  // namespace sluice::auth
