// Everything of auth/ that reads octets from a client or from the store: the exchanges, the
// preparation of names and passwords, addresses of the sender policy, and the record's codec.
//
// The first octet chooses; the rest is the input. What must hold beyond not crashing is checked:
// nobody but alice with her password succeeds, what may be stored is found again by asking for it,
// an address is its own canonical form's mailbox, and a record that can be read is written back to
// the same.
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
#include "auth/sender_policy.h"
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

// Runs an exchange; each response to a challenge is a line of the input. The verdict is a
// comparison, since the slow function has its own tests and would leave the fuzzer no time.
void RunExchange(Mechanism mechanism, bool initial, ByteView input) {
  const auto take_line = [&] {
    const size_t end = std::min(input.find('\n'), input.size());
    const ByteView line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    return line;
  };
  const auto exchange = MakeExchange(mechanism, {});
  Next next = exchange->Start(initial ? std::optional(take_line()) : std::nullopt);
  bool right = false;
  for (int steps = 0; next != Next::kFailure && next != Next::kSuccess; steps++) {
    CHECK(steps < 8);
    if (next == Next::kChallenge) {
      next = exchange->Step(take_line());
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
  const auto take_line = [&] {
    const size_t end = std::min(input.find('\n'), input.size());
    const ByteView line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    return line;
  };
  const auto exchange = MakeExchange(mechanism, {.nonce = "NONCE",
                                                 .hostname = "h",
                                                 .digest_realm = "h",
                                                 .decoys = &decoys,
                                                 .bindings = &bindings});
  Next next = exchange->Start(initial ? std::optional(take_line()) : std::nullopt);
  for (int steps = 0; next != Next::kFailure && next != Next::kSuccess; steps++) {
    CHECK(steps < 8 && next != Next::kVerify);
    if (next == Next::kChallenge) {
      next = exchange->Step(take_line());
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
  const auto take_line = [&] {
    const size_t end = std::min(input.find('\n'), input.size());
    const ByteView line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    return line;
  };
  const auto exchange = MakeExchange(Mechanism::kGssapi, {.gss = &acceptor, .principals = &rule});
  Next next = exchange->Start(initial ? std::optional(take_line()) : std::nullopt);
  ByteView last;
  for (int steps = 0; next != Next::kFailure && next != Next::kSuccess; steps++) {
    CHECK(steps < 32);
    if (next == Next::kChallenge) {
      last = take_line();
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

void RunPrepare(ByteView input) {
  std::string login;
  if (PrepareLogin(input, Purpose::kStore, login) == Prepared::kOk) {
    CHECK(!login.empty() && login.size() <= kLoginBytesMax &&
          login.find('\0') == std::string::npos);
    std::string asked;
    CHECK(PrepareLogin(input, Purpose::kQuery, asked) == Prepared::kOk && asked == login);
  }
  Secret password;
  if (PreparePassword(input, Purpose::kStore, password) == Prepared::kOk) {
    CHECK(!password.empty() && password.view().size() <= kPasswordBytesMax);
    Secret asked;
    CHECK(PreparePassword(input, Purpose::kQuery, asked) == Prepared::kOk &&
          asked.view() == password.view());
  }
}

void RunSender(ByteView input) {
  CredentialRecord record;
  record.domains = {"example.org"};
  const bool by_domain = SenderPolicy("x", record).Allows(input);
  const std::optional<std::string> canonical = CanonicalAddress(input);
  if (!canonical.has_value()) {
    CHECK(by_domain == input.empty());
    return;
  }
  CHECK(canonical->size() <= kAddressBytesMax);
  CHECK(by_domain == canonical->ends_with("@example.org"));
  record.domains.clear();
  record.addresses = {*canonical};
  CHECK(SenderPolicy("x", record).Allows(input));
}

void RunRecord(ByteView input) {
  CredentialRecord record;
  if (!DecodeRecord(input, record)) return;
  std::string bytes;
  CredentialRecord again;
  if (!EncodeRecord(record, bytes)) {  // with states that it had not
    CHECK(input.size() > kRecordBytesMax - 6 * kDigestBytesMax * kScramHashCount);
    return;
  }
  CHECK(DecodeRecord(bytes, again) && again == record);
}

}  // namespace
}  // namespace sluice::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::auth;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const sluice::ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  // '0' to '7': the mechanisms up to DIGEST-MD5 with an initial response; 'a' to 'h': without one.
  if (data[0] >= '0' && data[0] <= '7') {
    RunProof(static_cast<Mechanism>(data[0] - '0'), /*initial=*/true, input);
    return 0;
  }
  if (data[0] >= 'a' && data[0] <= 'h') {
    RunProof(static_cast<Mechanism>(data[0] - 'a'), /*initial=*/false, input);
    return 0;
  }
  switch (data[0]) {
    case 'P':
      RunExchange(Mechanism::kPlain, /*initial=*/true, input);
      break;
    case 'p':
      RunExchange(Mechanism::kPlain, /*initial=*/false, input);
      break;
    case 'L':
      RunExchange(Mechanism::kLogin, /*initial=*/true, input);
      break;
    case 'l':
      RunExchange(Mechanism::kLogin, /*initial=*/false, input);
      break;
    case 'G':
      RunGssapi(/*initial=*/true, input);
      break;
    case 'K':
      RunGssapi(/*initial=*/false, input);
      break;
    case 'E':
      RunExternal(/*initial=*/true, input);
      break;
    case 'e':
      RunExternal(/*initial=*/false, input);
      break;
    case 'n':
      RunPrepare(input);
      break;
    case 's':
      RunSender(input);
      break;
    case 'r':
      RunRecord(input);
      break;
    default:
      break;
  }
  return 0;
}
