// An exchange of one mechanism, which CMakeLists.txt names (SCRAM: of one of the six), with what a
// client may say. The tokens of OAUTHBEARER and XOAUTH2 have fuzz_token.cc.
//
// What must hold beyond not crashing is checked: nobody but alice with her password, proof, ticket
// or certificate succeeds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "auth/digest_md5.h"
#include "auth/exchange.h"
#include "auth/gss_acceptor.h"
#include "auth/prepare.h"
#include "auth/principal_login.h"
#include "auth/record.h"
#include "auth/scram_keys.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

constexpr ByteView kPassword = "secret";

const CredentialRecord& Alice() {
  static const CredentialRecord alice = [] {
    CredentialRecord record;
    for (const ScramHash hash : {ScramHash::kSha1, ScramHash::kSha256, ScramHash::kSha512}) {
      record.Scram(hash) = DeriveScramKeys(hash, kPassword, "0123456789abcdef", 1);
    }
    record.cram_md5 = DeriveCramMd5States(kPassword);
    record.digest_md5 = DeriveDigestMd5Key("alice", "h", kPassword);
    return record;
  }();
  return alice;
}

// Each response to a challenge is a line of the input.
ByteView TakeLine(ByteView& input) {
  const size_t end = std::min(input.find('\n'), input.size());
  const ByteView line = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return line;
}

// Runs an exchange. The verdict is a comparison, since the slow function has its own tests and would
// leave the fuzzer no time.
void RunExchange(Mechanism mechanism, bool initial, ByteView input) {
  const auto exchange = MakeExchange(mechanism, {});
  Next next = exchange->Start(initial ? std::optional(TakeLine(input)) : std::nullopt);
  bool right = false;
  for (int steps = 0; next != Next::kFailure && next != Next::kSuccess; steps++) {
    CHECK(steps < 8);
    if (next == Next::kChallenge) {
      next = exchange->Step(TakeLine(input));
    } else if (next == Next::kLookup) {
      CHECK(!exchange->login().empty() && exchange->login().size() <= kLoginBytesMax);
      next = exchange->OnRecord(exchange->login() == "alice" ? &Alice() : nullptr);
    } else {
      CHECK(!exchange->password().empty() && exchange->password().size() <= kPasswordBytesMax);
      right = exchange->keys().has_value() && exchange->password() == kPassword;
      next = exchange->OnVerified(right ? Verdict::kMatch : Verdict::kMismatch);
    }
  }
  CHECK((next == Next::kSuccess) == right);
  CHECK((next == Next::kFailure) == (exchange->failure() != Failure::kNone));
}

// SCRAM, CRAM-MD5 and DIGEST-MD5 with a fixed nonce: the corpus has dialogues that succeed, and
// only alice's do.
void RunProof(Mechanism mechanism, bool initial, ByteView input) {
  static const Decoys decoys("0123456789abcdef0123456789abcdef", 1);
  static const ChannelBindings bindings{.offered = true,
                                        .tls_exporter = std::string(32, 'e'),
                                        .tls_server_end_point = std::string(32, 'c')};
  const auto exchange = MakeExchange(mechanism, {.nonce = "NONCE",
                                                 .hostname = "h",
                                                 .digest_realm = "h",
                                                 .decoys = &decoys,
                                                 .bindings = &bindings});
  Next next = exchange->Start(initial ? std::optional(TakeLine(input)) : std::nullopt);
  for (int steps = 0; next != Next::kFailure && next != Next::kSuccess; steps++) {
    CHECK(steps < 8 && next != Next::kVerify);
    if (next == Next::kChallenge) {
      next = exchange->Step(TakeLine(input));
    } else {
      next = exchange->OnRecord(exchange->login() == "alice" ? &Alice() : nullptr);
    }
  }
  CHECK(next == Next::kFailure || exchange->login() == "alice");
  CHECK((next == Next::kFailure) == (exchange->failure() != Failure::kNone));
}

// GSSAPI over a library that takes "ticket", of alice, or anything that begins with "m" for more. A
// message is wrapped by nothing.
class FakeContext final : public GssContext {
 public:
  Accepted Accept(ByteView token, std::string& output) override {
    output = token;
    if (token.starts_with('m')) return Accepted::kMore;
    principal_ = "alice@R";
    own_realm_ = "R";
    return token == "ticket" ? Accepted::kDone : Accepted::kRefused;
  }
  bool Wrap(ByteView message, std::string& token) override {
    token = message;
    return true;
  }
  bool Unwrap(ByteView token, std::string& message) override {
    message = token;
    return true;
  }
};
class FakeAcceptor final : public GssAcceptor {
 public:
  std::unique_ptr<GssContext> NewContext() const override {
    return std::make_unique<FakeContext>();
  }
};

void RunGssapi(bool initial, ByteView input) {
  const FakeAcceptor acceptor;
  const PrincipalRule rule{.login = PrincipalRule::Login::kLocal};
  const auto exchange = MakeExchange(Mechanism::kGssapi, {.gss = &acceptor, .principals = &rule});
  Next next = exchange->Start(initial ? std::optional(TakeLine(input)) : std::nullopt);
  ByteView last;
  for (int steps = 0; next != Next::kFailure && next != Next::kSuccess; steps++) {
    CHECK(steps < 32);
    if (next == Next::kChallenge) {
      last = TakeLine(input);
      next = exchange->Step(last);
    } else if (next == Next::kVerify) {
      exchange->work()->Run();
      next = exchange->OnVerified(Verdict::kMatch);
    } else {
      CHECK(exchange->login() == "alice");
      next = exchange->OnRecord(&Alice());
    }
  }
  CHECK(next == Next::kFailure || (last.size() >= 4 && last[0] == 1));
}

// Of a certificate for alice and bob: nobody else comes of it, whatever is asked for.
void RunExternal(bool initial, ByteView input) {
  static const ExternalIdentity identity{.logins = {"alice", "bob"}, .problem = ""};
  const auto exchange = MakeExchange(Mechanism::kExternal, {.external = &identity});
  Next next = exchange->Start(initial ? std::optional(input) : std::nullopt);
  if (next == Next::kChallenge) next = exchange->Step(input);
  if (next == Next::kLookup) {
    next = exchange->OnRecord(exchange->login() == "alice" ? &Alice() : nullptr);
  }
  CHECK(next == Next::kFailure || (next == Next::kSuccess && exchange->login() == "alice"));
  CHECK((next == Next::kFailure) == (exchange->failure() != Failure::kNone));
}

void Run(Mechanism mechanism, bool initial, ByteView input) {
  switch (mechanism) {
    case Mechanism::kPlain:
    case Mechanism::kLogin:
      return RunExchange(mechanism, initial, input);
    case Mechanism::kGssapi:
      return RunGssapi(initial, input);
    case Mechanism::kExternal:
      return RunExternal(initial, input);
    default:
      return RunProof(mechanism, initial, input);
  }
}

}  // namespace
}  // namespace sluice::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::auth;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  // Of each pair the first octet is for an initial response, the second for none; the second pair
  // is for the mechanism after the first one, and so on.
  constexpr sluice::ByteView kChoices = SLUICE_FUZZ_CHOICES;
  const size_t named = kChoices.find(static_cast<char>(data[0]));
  const size_t choice = named == sluice::ByteView::npos ? data[0] % kChoices.size() : named;
  const auto mechanism =
      static_cast<Mechanism>(static_cast<size_t>(Mechanism::SLUICE_FUZZ_MECHANISM) + choice / 2);
  Run(mechanism, choice % 2 == 0, {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
