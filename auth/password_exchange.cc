#include "auth/password_exchange.h"

#include "auth/foreign_hash.h"
#include "auth/prepare.h"
#include "core/base/check.h"

namespace sluice::auth {

Next PasswordExchange::HaveCredentials(ByteView name, ByteView password) {
  // A NUL can be no part of either (RFC 4616 section 2); preparation refuses it like any other
  // octet that no name has.
  if (PrepareLogin(name, Purpose::kQuery, login_) != Prepared::kOk ||
      PreparePassword(password, Purpose::kQuery, password_) != Prepared::kOk) {
    return Done(Failure::kCredentials);
  }
  state_ = State::kRecord;
  return Next::kLookup;
}

bool PasswordExchange::CanProve(const CredentialRecord& record) {
  return record.PasswordKeys().has_value() || !record.foreign_hash.empty() ||
         record.cram_md5.has_value();
}

Next PasswordExchange::OnRecord(const CredentialRecord* record) {
  CHECK(state_ == State::kRecord);
  // Without keys the verifier does the same work and says no: from here nothing tells an unknown
  // user, a disabled one and a wrong password apart.
  if (record != nullptr && record->may_log_in()) {
    keys_ = record->PasswordKeys();
    if (!keys_.has_value()) {
      foreign_hash_ = record->foreign_hash;
      if (foreign_hash_.empty() && record->cram_md5.has_value())
        foreign_hash_ = ForeignHashOf(*record->cram_md5);
    }
  }
  state_ = State::kVerdict;
  return Next::kVerify;
}

Next PasswordExchange::OnVerified(Verdict verdict) {
  CHECK(state_ == State::kVerdict);
  switch (verdict) {
    case Verdict::kMatch:
      CHECK(keys_.has_value() || !foreign_hash_.empty());  // nobody's password has matched
      state_ = State::kDone;
      return Next::kSuccess;
    case Verdict::kMismatch:
      return Done(Failure::kCredentials);
    case Verdict::kTemporary:
      return Done(Failure::kTemporary);
  }
  CHECK(false);
  return Next::kFailure;
}

Next PasswordExchange::Done(Failure failure) {
  state_ = State::kDone;
  return Fail(failure);
}

Next PlainExchange::Start(std::optional<ByteView> initial) {
  CHECK(state_ == State::kStart);
  state_ = State::kResponse;
  return initial.has_value() ? Step(*initial) : Challenge("");
}

Next PlainExchange::Step(ByteView response) {
  CHECK(state_ == State::kResponse);
  const size_t first = response.find('\0');
  const size_t second = first == ByteView::npos ? first : response.find('\0', first + 1);
  if (second == ByteView::npos) return Done(Failure::kMalformed);
  authorization_ = response.substr(0, first);
  const ByteView name = response.substr(first + 1, second - first - 1);
  return HaveCredentials(name, response.substr(second + 1));
}

Next LoginExchange::Start(std::optional<ByteView> initial) {
  CHECK(state_ == State::kStart);
  if (initial.has_value()) return HaveName(*initial);
  state_ = State::kResponse;
  return Challenge("Username:");
}

Next LoginExchange::Step(ByteView response) {
  if (state_ == State::kResponse) return HaveName(response);
  CHECK(state_ == State::kPassword);
  return HaveCredentials(name_, response);
}

// A name that cannot be prepared still gets asked for its password, like any other name.
Next LoginExchange::HaveName(ByteView name) {
  name_ = name.substr(0, kLoginBytesMax + 1);
  state_ = State::kPassword;
  return Challenge("Password:");
}

}  // namespace sluice::auth
