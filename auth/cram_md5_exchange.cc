#include "auth/cram_md5_exchange.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "auth/hmac_key.h"
#include "auth/prepare.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

constexpr size_t kHexBytes = 2 * Md5::kBytes;

}  // namespace

CramMd5Exchange::CramMd5Exchange(const ExchangeContext& context)
    : sent_(absl::StrCat("<", context.nonce, "@", context.hostname, ">")) {}

Next CramMd5Exchange::Done(Failure failure) {
  state_ = State::kDone;
  return Fail(failure);
}

Next CramMd5Exchange::Start(std::optional<ByteView> initial) {
  CHECK(state_ == State::kStart);
  if (initial.has_value()) return Done(Failure::kMalformed);  // the server speaks first
  state_ = State::kResponse;
  return Challenge(sent_);
}

// The name may have spaces in it, the digest none.
Next CramMd5Exchange::Step(ByteView response) {
  CHECK(state_ == State::kResponse);
  const size_t space = response.rfind(' ');
  if (space == ByteView::npos || response.size() - space - 1 != kHexBytes) {
    return Done(Failure::kMalformed);
  }
  for (const char c : response.substr(space + 1)) digest_ += AsciiLower(c);
  if (PrepareLogin(response.substr(0, space), Purpose::kQuery, login_) != Prepared::kOk) {
    return Done(Failure::kCredentials);
  }
  state_ = State::kRecord;
  return Next::kLookup;
}

Next CramMd5Exchange::OnRecord(const CredentialRecord* record) {
  CHECK(state_ == State::kRecord);
  const bool known = record != nullptr && record->may_log_in() && record->cram_md5.has_value();
  const CramMd5States states = known ? *record->cram_md5 : CramMd5States();
  const DigestOf<Md5> wanted = HmacKey<Md5>::FromStates(View(states)).Sign(sent_);
  const bool equal = ConstantTimeEquals(absl::BytesToHexString(View(wanted)), digest_);
  if (!equal || !known) return Done(Failure::kCredentials);
  state_ = State::kDone;
  return Next::kSuccess;
}

Next CramMd5Exchange::OnVerified(Verdict) {
  CHECK(false);  // never wished for
  return Next::kFailure;
}

}  // namespace sluice::auth
