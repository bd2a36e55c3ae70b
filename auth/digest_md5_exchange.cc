#include "auth/digest_md5_exchange.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "auth/digest_md5.h"
#include "auth/prepare.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

constexpr size_t kNonceBytesMax = 512;  // of the client
constexpr ByteView kFirstCount = "00000001";
constexpr ByteView kQop = "auth";

bool IsHex(ByteView text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAsciiDigit(c) || (c >= 'a' && c <= 'f'); });
}

// Section 2.1.2: all but auth-param, that is, unknown ones, stand at most once.
bool AnyTwice(std::span<const DigestDirective> directives) {
  constexpr ByteView kNames[] = {"username", "realm",   "nonce",      "cnonce",
                                 "nc",       "qop",     "digest-uri", "response",
                                 "maxbuf",   "charset", "cipher",     "authzid"};
  return std::any_of(std::begin(kNames), std::end(kNames), [&](ByteView name) {
    return std::count_if(directives.begin(), directives.end(),
                         [name](const DigestDirective& d) { return d.name == name; }) > 1;
  });
}

}  // namespace

DigestMd5Exchange::DigestMd5Exchange(ByteView service, const ExchangeContext& context)
    : service_(service),
      hostname_(context.hostname),
      realm_(context.digest_realm),
      nonce_(context.nonce) {}

Next DigestMd5Exchange::Done(Failure failure, ByteView detail) {
  state_ = State::kDone;
  return Fail(failure, detail);
}

// An initial response is one of subsequent authentication: not looked at. An empty one is none of
// that, and otherwise the server speaks first (RFC 4954 section 4).
Next DigestMd5Exchange::Start(std::optional<ByteView> initial) {
  CHECK(state_ == State::kStart);
  if (initial.has_value() && initial->empty()) return Done(Failure::kMalformed);
  state_ = State::kResponse;
  reply_ = absl::StrCat("realm=", QuoteDigest(realm_), ",nonce=", QuoteDigest(nonce_), ",qop=\"",
                        kQop, "\",charset=utf-8,algorithm=md5-sess");
  return Challenge(reply_);
}

Next DigestMd5Exchange::Step(ByteView response) {
  if (state_ == State::kResponse) return OnResponse(response);
  CHECK(state_ == State::kAnswered);
  if (!response.empty()) return Done(Failure::kMalformed);
  state_ = State::kDone;
  return Next::kSuccess;
}

Next DigestMd5Exchange::OnResponse(ByteView message) {
  const auto directives = ParseDigest(message);
  if (!directives.has_value()) return Done(Failure::kMalformed);
  if (AnyTwice(*directives)) return Done(Failure::kMalformed);
  const auto find = [&](ByteView name) { return FindDirective(*directives, name); };
  const std::string* const username = find("username");
  const std::string* const nonce = find("nonce");
  const std::string* const cnonce = find("cnonce");
  const std::string* const nc = find("nc");
  const std::string* const uri = find("digest-uri");
  const std::string* const response = find("response");
  const std::string* const charset = find("charset");
  const std::string* const authorization = find("authzid");
  const std::string* const realm = find("realm");
  const std::string* const qop = find("qop");  // without one: "auth"
  const auto is_hex = [](const std::string* text, size_t bytes) {
    return text != nullptr && text->size() == bytes && IsHex(*text);
  };
  if (username == nullptr || nonce == nullptr || cnonce == nullptr || uri == nullptr ||
      !is_hex(nc, kFirstCount.size()) || !is_hex(response, 2 * Md5::kBytes) || cnonce->empty() ||
      cnonce->size() > kNonceBytesMax || (authorization != nullptr && authorization->empty()) ||
      (charset != nullptr && !EqualsIgnoreCase(*charset, "utf-8")) ||
      (qop != nullptr && *qop != kQop)) {
    return Done(Failure::kMalformed);
  }
  cnonce_ = *cnonce;
  uri_ = *uri;
  response_ = *response;
  if (authorization != nullptr) authorization_ = *authorization;
  // Our own nonce at its first use: whatever was said before, to whichever server, is worth
  // nothing.
  fits_ = *nonce == nonce_ && *nc == kFirstCount && realm != nullptr && *realm == realm_;
  const std::string name = charset != nullptr ? *username : Utf8OfLatin1(*username);
  if (PrepareLogin(name, Purpose::kQuery, login_) != Prepared::kOk) {
    return Done(Failure::kCredentials);
  }
  state_ = State::kRecord;
  return Next::kLookup;
}

// digest-uri = serv-type "/" host ["/" serv-name]; the last is the name that was looked up to find
// this host (section 2.1.2), of which nothing is known here.
bool DigestMd5Exchange::IsUs(ByteView uri) const {
  const size_t slash = uri.find('/');
  if (slash == ByteView::npos || !EqualsIgnoreCase(uri.substr(0, slash), service_)) return false;
  const ByteView host = uri.substr(slash + 1);
  return EqualsIgnoreCase(host.substr(0, host.find('/')), hostname_);
}

Next DigestMd5Exchange::OnRecord(const CredentialRecord* record) {
  CHECK(state_ == State::kRecord);
  const bool known = record != nullptr && record->may_log_in() && record->digest_md5.has_value() &&
                     record->digest_md5->realm == realm_;
  const DigestMd5Key key = known ? *record->digest_md5 : DigestMd5Key();
  const DigestMd5Context context{.nonce = nonce_,
                                 .cnonce = cnonce_,
                                 .nc = kFirstCount,
                                 .qop = kQop,
                                 .uri = uri_,
                                 .authorization = authorization_};
  const DigestMd5Proofs proofs = ProofsOf(key, context);
  const bool equal = ConstantTimeEquals(proofs.response, response_);
  reply_ = absl::StrCat("rspauth=", proofs.response_auth);
  if (!equal || !known || !fits_) return Done(Failure::kCredentials);
  proved_ = true;
  if (!IsUs(uri_)) {
    return Done(Failure::kCredentials,
                "proved, but for another server: the client connects by a name (its digest-uri) "
                "that is not `hostname`");
  }
  state_ = State::kAnswered;
  return Challenge(reply_);
}

Next DigestMd5Exchange::OnVerified(Verdict) {
  CHECK(false);  // never wished for
  return Next::kFailure;
}

}  // namespace sluice::auth
