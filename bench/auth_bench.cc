// What a login costs the shard that answers it, and what it would cost without what auth/ keeps
// prepared.
//
//   Remembered*  the usual login: name and password known, proved lately (bar: 1.5 microseconds)
//   LookUp/N     the record of one of N users, at random, hot (bar: 3 microseconds at 1,000,000);
//                N is SLUICE_BENCH_USERS, by default 20,000 so that the test run stays short
//   Hmac         a short HMAC with kept key states; HmacPlain: by the book
//   Verify       the slow function, 10,000 iterations, a verifier's work; VerifyPlain: by the book
//   CramMd5      a whole exchange, record at hand (bar for the check alone: 1 microsecond);
//                CramMd5Plain: of a record that has the password and no states of it
//   Scram/N      a whole exchange with SHA-N (bar for the last message alone: 4 microseconds at
//                256); ScramPlain: of a record that has keys and no states of them;
//                ScramProof: the keyed steps of the last message; ScramProofPlain: by the book
//   Bearer       a whole exchange of OAUTHBEARER with a token of each algorithm, record at hand
//                (bar: 500 microseconds, since a shard does nothing else meanwhile); BearerForged:
//                with a wrong signature
//
// Each label ends with a hash of what was computed, the same in every run and on every machine.
#include <benchmark/benchmark.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/pwdbased.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "auth/authenticator.h"
#include "auth/digest_md5.h"
#include "auth/jwt.h"
#include "auth/lmdb_store.h"
#include "auth/prepare.h"
#include "auth/sasl_client.h"
#include "auth/scram_keys.h"
#include "bench/tokens.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/prng.h"

namespace sluice::auth {
namespace {

const std::string kKey(32, 'k');
constexpr ByteView kSalt = "0123456789abcdef";
constexpr MonoTime kNow{std::chrono::hours(1)};

void Label(benchmark::State& state, ByteView result) {
  state.SetLabel("result " + std::to_string(Crc32c(0, result)));
}

std::string Login(uint64_t number) { return "customer" + std::to_string(number) + "@example.net"; }

class OneUser final : public CredentialSource {
 public:
  OneUser() {
    record_.version = 1;
    record_.Scram(ScramHash::kSha256) =
        DeriveScramKeys(ScramHash::kSha256, "correct horse battery", kSalt, kIterationsDefault);
  }
  LookupStatus Lookup(ByteView, CredentialRecord& record) override {
    record = record_;
    return LookupStatus::kFound;
  }

 private:
  CredentialRecord record_;
};

// Proves at once, so that the first login of a bench is remembered.
class InlineVerifier final : public PasswordVerifier {
 public:
  bool Submit(VerifyJob&& job) override {
    last_ = job.token;
    matched_ = PasswordMatches(job.keys, job.password.view());
    return true;
  }
  VerifyToken last_;
  bool matched_ = false;
};

// One AUTH PLAIN from the decoded response to the identity, with the store given.
void RememberedPlain(benchmark::State& state, CredentialSource& store, ByteView login) {
  RememberedLogins remembered(kKey, {});
  InlineVerifier verifier;
  Authenticator authenticator(store, remembered, verifier,
                              {.process_key = kKey, .decoy_key = kKey});
  const std::string response =
      std::string(1, '\0').append(login).append(1, '\0').append("correct horse battery");
  const auto first = authenticator.Begin(Mechanism::kPlain, {.connection = 1});
  CHECK(first->Start(response, kNow) == Attempt::Result::kWait && verifier.matched_);
  CHECK(first->OnVerified(verifier.last_, Verdict::kMatch, kNow) == Attempt::Result::kSuccess);
  Identity identity;
  for (auto _ : state) {
    const auto attempt = authenticator.Begin(Mechanism::kPlain, {.connection = 1});
    CHECK(attempt->Start(response, kNow) == Attempt::Result::kSuccess);
    identity = attempt->TakeIdentity();
    benchmark::DoNotOptimize(identity);
  }
  Label(state, identity.login);
}

void BM_RememberedPlain(benchmark::State& state) {
  OneUser store;
  RememberedPlain(state, store, Login(1));
}
BENCHMARK(BM_RememberedPlain);

// The part of it that replaces the slow function: prepare both, digest, find.
void BM_RememberedDigest(benchmark::State& state) {
  RememberedLogins remembered(kKey, {});
  remembered.Remember(remembered.MakeTicket(Login(1), "correct horse battery"), 1, kNow);
  const std::string typed = "Customer1@Example.net";
  std::string login;
  Secret password;
  for (auto _ : state) {
    CHECK(PrepareLogin(typed, Purpose::kQuery, login) == Prepared::kOk);
    CHECK(PreparePassword("correct horse battery", Purpose::kQuery, password) == Prepared::kOk);
    CHECK(remembered.Knows(remembered.MakeTicket(login, password.view()), 1, kNow));
  }
  Label(state, login);
}
BENCHMARK(BM_RememberedDigest);

// A store of many users in a folder of its own, removed at the end.
class FilledStore {
 public:
  explicit FilledStore(uint64_t users) {
    std::string pattern = std::filesystem::temp_directory_path() / "sluice-auth-bench-XXXXXX";
    CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    store_ = *LmdbStore::Open(LmdbStore::PathIn(folder_));
    CredentialRecord record;
    record.Scram(ScramHash::kSha256) =
        DeriveScramKeys(ScramHash::kSha256, "correct horse battery", kSalt, kIterationsDefault);
    CHECK(store_
              ->Change([&](LmdbStore::Changes& changes) {
                for (uint64_t i = 0; i < users; i++) CHECK(changes.Add(Login(i), record).ok());
                return absl::OkStatus();
              })
              .ok());
    reader_ = *store_->NewReader();
  }
  ~FilledStore() {
    reader_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  FilledStore(const FilledStore&) = delete;
  FilledStore& operator=(const FilledStore&) = delete;

  CredentialSource& reader() { return *reader_; }

 private:
  std::string folder_;
  std::unique_ptr<LmdbStore> store_;
  std::unique_ptr<LmdbStore::Reader> reader_;
};

uint64_t Users() {
  const char* const users = std::getenv("SLUICE_BENCH_USERS");
  return users == nullptr ? 20'000 : std::strtoull(users, nullptr, 10);
}

FilledStore& TheStore() {
  static FilledStore store(Users());
  return store;
}

void BM_LookUp(benchmark::State& state) {
  CredentialSource& reader = TheStore().reader();
  const auto users = static_cast<uint64_t>(state.range(0));
  Prng prng(1);
  CredentialRecord record;
  for (uint64_t i = 0; i < users; i++)
    CHECK(reader.Lookup(Login(i), record) == LookupStatus::kFound);  // hot
  // The names are made before, so that only the look-up is measured.
  std::vector<std::string> logins;
  for (int i = 0; i < 1 << 16; i++) logins.push_back(Login(prng.Below(users)));
  size_t next = 0;
  for (auto _ : state) {
    CHECK(reader.Lookup(logins[next++ & 0xffff], record) == LookupStatus::kFound);
  }
  Label(state, View(record.Scram(ScramHash::kSha256)->stored_key));
}
BENCHMARK(BM_LookUp)->Apply([](benchmark::internal::Benchmark* bench) {
  bench->Arg(static_cast<int64_t>(Users()));
});

void BM_LookUpAbsent(benchmark::State& state) {
  CredentialSource& reader = TheStore().reader();
  CredentialRecord record;
  for (auto _ : state)
    CHECK(reader.Lookup("nobody@example.net", record) == LookupStatus::kNotFound);
}
BENCHMARK(BM_LookUpAbsent);

void BM_RememberedPlainFromStore(benchmark::State& state) {
  RememberedPlain(state, TheStore().reader(), Login(Users() / 2));
}
BENCHMARK(BM_RememberedPlainFromStore);

void BM_Hmac(benchmark::State& state) {
  const HmacSha256Key key(kKey);
  Sha256Digest digest{};
  for (auto _ : state) digest = key.Sign(View(digest));
}
BENCHMARK(BM_Hmac);

void BM_HmacPlain(benchmark::State& state) {
  Sha256Digest digest{};
  for (auto _ : state) {
    Hmac hmac;
    CHECK(wc_HmacInit(&hmac, nullptr, INVALID_DEVID) == 0);
    CHECK(wc_HmacSetKey(&hmac, WC_SHA256, reinterpret_cast<const byte*>(kKey.data()), 32) == 0);
    CHECK(wc_HmacUpdate(&hmac, reinterpret_cast<const byte*>(digest.data()), 32) == 0);
    CHECK(wc_HmacFinal(&hmac, reinterpret_cast<byte*>(digest.data())) == 0);
    wc_HmacFree(&hmac);
  }
}
BENCHMARK(BM_HmacPlain);

void BM_Verify(benchmark::State& state) {
  const std::optional keys =
      DeriveScramKeys(ScramHash::kSha256, "correct horse battery", kSalt, kIterationsDefault);
  for (auto _ : state) CHECK(PasswordMatches(keys, "correct horse battery"));
  Label(state, View(keys->stored_key));
}
BENCHMARK(BM_Verify)->Unit(benchmark::kMicrosecond);

// The same stretch by wolfCrypt's PBKDF2, which keeps no key states.
void BM_VerifyPlain(benchmark::State& state) {
  const std::string password = "correct horse battery";
  Sha256Digest salted{};
  for (auto _ : state) {
    CHECK(wc_PBKDF2(reinterpret_cast<byte*>(salted.data()),
                    reinterpret_cast<const byte*>(password.data()),
                    static_cast<int>(password.size()), reinterpret_cast<const byte*>(kSalt.data()),
                    static_cast<int>(kSalt.size()), static_cast<int>(kIterationsDefault), 32,
                    WC_SHA256) == 0);
  }
  CHECK(salted == HmacSha256Key(password).Stretch(kSalt, kIterationsDefault));
  Label(state, View(HashSha256(View(HmacSha256Key(View(salted)).Sign("Client Key")))));
}
BENCHMARK(BM_VerifyPlain)->Unit(benchmark::kMicrosecond);

// One run of a mechanism with a nonce that never changes, so that the client's messages are made
// once. `complete`: what each run has to work out before it can use the record.
void RunExchange(
    benchmark::State& state, Mechanism mechanism, CredentialRecord record,
    absl::FunctionRef<void(CredentialRecord&)> complete = [](CredentialRecord&) {}) {
  static const Decoys decoys(kKey, kIterationsDefault);
  ScramCache cache;
  const auto client = MakeSaslClient(mechanism, {.user = Login(1),
                                                 .password = "correct horse battery",
                                                 .nonce = "CLIENTNONCE",
                                                 .cache = &cache});
  const auto make = [&] {
    return MakeExchange(mechanism, {.nonce = "SERVERNONCE",
                                    .hostname = "submit.example.net",
                                    .digest_realm = "submit.example.net",
                                    .decoys = &decoys});
  };
  std::vector<std::string> messages;
  const auto run = [&](auto&& answer) {
    const auto server = make();
    size_t said = 0;
    std::optional<ByteView> first;
    if (Info(mechanism).scram.has_value()) first = answer(said++, ByteView());
    Next next = server->Start(first);
    for (;;) {
      if (next == Next::kLookup) {
        complete(record);
        next = server->OnRecord(&record);
      }
      if (next != Next::kChallenge) break;
      next = server->Step(answer(said++, server->challenge()));
    }
    CHECK(next == Next::kSuccess);
  };
  run([&](size_t number, ByteView challenge) -> ByteView {
    std::string message;
    if (number == 0 && challenge.empty()) {
      CHECK(client->Begin(message));
    } else {
      CHECK(client->Answer(challenge, message));
    }
    return messages.emplace_back(std::move(message));
  });
  for (auto _ : state) run([&](size_t number, ByteView) -> ByteView { return messages[number]; });
  Label(state, messages.back());
}

void BM_CramMd5(benchmark::State& state) {
  CredentialRecord record;
  record.cram_md5 = DeriveCramMd5States("correct horse battery");
  RunExchange(state, Mechanism::kCramMd5, record);
}
BENCHMARK(BM_CramMd5);

void BM_CramMd5Plain(benchmark::State& state) {
  RunExchange(state, Mechanism::kCramMd5, {}, [](CredentialRecord& record) {
    record.cram_md5 = DeriveCramMd5States("correct horse battery");
  });
}
BENCHMARK(BM_CramMd5Plain);

void BM_DigestMd5(benchmark::State& state) {
  CredentialRecord record;
  record.digest_md5 = DeriveDigestMd5Key(Login(1), "submit.example.net", "correct horse battery");
  RunExchange(state, Mechanism::kDigestMd5, record);
}
BENCHMARK(BM_DigestMd5);

void BM_Scram(benchmark::State& state) {
  const ScramHash hash = state.range(0) == 1     ? ScramHash::kSha1
                         : state.range(0) == 256 ? ScramHash::kSha256
                                                 : ScramHash::kSha512;
  CredentialRecord record;
  record.Scram(hash) = DeriveScramKeys(hash, "correct horse battery", kSalt, kIterationsDefault);
  RunExchange(state,
              hash == ScramHash::kSha1     ? Mechanism::kScramSha1
              : hash == ScramHash::kSha256 ? Mechanism::kScramSha256
                                           : Mechanism::kScramSha512,
              record);
}
BENCHMARK(BM_Scram)->Arg(1)->Arg(256)->Arg(512);

void BM_ScramPlain(benchmark::State& state) {
  CredentialRecord record;
  record.Scram(ScramHash::kSha256) =
      DeriveScramKeys(ScramHash::kSha256, "correct horse battery", kSalt, kIterationsDefault);
  RunExchange(state, Mechanism::kScramSha256, record, [](CredentialRecord& of_each_run) {
    KeepStates(*of_each_run.Scram(ScramHash::kSha256));
  });
}
BENCHMARK(BM_ScramPlain);

// The token is read, verified and its claims compared; `forged`: with another token's claims.
void RunBearer(benchmark::State& state, ByteView keys, ByteView token, bool forged) {
  const auto tokens = std::make_shared<TokenVerifier>(
      *Jwks::Parse(keys),
      TokenRules{.issuer = "https://id.example.net/realms/mail", .audience = "submit.example.net"});
  std::string message =
      "n,a=customer1@example.net,\x01host=submit.example.net\x01port=587\x01"
      "auth=Bearer ";
  message.append(token).append("\x01\x01");
  if (forged) message[message.size() / 2] ^= 1;
  const CredentialRecord record;
  for (auto _ : state) {
    const auto exchange = MakeExchange(
        Mechanism::kOauthBearer, {.tokens = tokens, .now = WallFromMillis(1'770'000'000'000)});
    const Next next = exchange->Start(message);
    CHECK(next == (forged ? Next::kChallenge : Next::kLookup));
    if (!forged) CHECK(exchange->OnRecord(&record) == Next::kSuccess);
  }
  Label(state, token);
}

void BM_Bearer(benchmark::State& state, ByteView keys, ByteView token) {
  RunBearer(state, keys, token, false);
}
BENCHMARK_CAPTURE(BM_Bearer, RS256, kRs256Keys, kRs256Token);
BENCHMARK_CAPTURE(BM_Bearer, RS256_4096, kRs256LargeKeys, kRs256LargeToken);
BENCHMARK_CAPTURE(BM_Bearer, ES256, kEs256Keys, kEs256Token);
BENCHMARK_CAPTURE(BM_Bearer, EdDSA, kEdDsaKeys, kEdDsaToken);

void BM_BearerForged(benchmark::State& state, ByteView keys, ByteView token) {
  RunBearer(state, keys, token, true);
}
BENCHMARK_CAPTURE(BM_BearerForged, ES256, kEs256Keys, kEs256Token);

const std::string kAuthMessage(200, 'm');  // about as long as SCRAM's

void BM_ScramProof(benchmark::State& state) {
  const ScramKeys keys =
      DeriveScramKeys(ScramHash::kSha256, "correct horse battery", kSalt, kIterationsDefault);
  Sha256Digest signature{};
  for (auto _ : state) {
    const Sha256Digest proof =
        HmacSha256Key::FromStates(keys.stored_key_states_view()).Sign(kAuthMessage);
    benchmark::DoNotOptimize(
        ConstantTimeEquals(View(HashSha256(View(proof))), keys.stored_key_view()));
    signature = HmacSha256Key::FromStates(keys.server_key_states_view()).Sign(kAuthMessage);
  }
  Label(state, View(signature));
}
BENCHMARK(BM_ScramProof);

Sha256Digest PlainHmac(ByteView key, ByteView message) {
  Sha256Digest digest;
  Hmac hmac;
  CHECK(wc_HmacInit(&hmac, nullptr, INVALID_DEVID) == 0);
  CHECK(wc_HmacSetKey(&hmac, WC_SHA256, reinterpret_cast<const byte*>(key.data()),
                      static_cast<word32>(key.size())) == 0);
  CHECK(wc_HmacUpdate(&hmac, reinterpret_cast<const byte*>(message.data()),
                      static_cast<word32>(message.size())) == 0);
  CHECK(wc_HmacFinal(&hmac, reinterpret_cast<byte*>(digest.data())) == 0);
  wc_HmacFree(&hmac);
  return digest;
}

void BM_ScramProofPlain(benchmark::State& state) {
  const ScramKeys keys =
      DeriveScramKeys(ScramHash::kSha256, "correct horse battery", kSalt, kIterationsDefault);
  Sha256Digest signature{};
  for (auto _ : state) {
    const Sha256Digest proof = PlainHmac(keys.stored_key_view(), kAuthMessage);
    benchmark::DoNotOptimize(
        ConstantTimeEquals(View(HashSha256(View(proof))), keys.stored_key_view()));
    signature = PlainHmac(keys.server_key_view(), kAuthMessage);
  }
  Label(state, View(signature));
}
BENCHMARK(BM_ScramProofPlain);

// A check of CRAM-MD5's digest, with and without the states of its key.
void BM_CramMd5Digest(benchmark::State& state) {
  const CramMd5States states = DeriveCramMd5States("correct horse battery");
  DigestOf<Md5> digest{};
  for (auto _ : state) digest = HmacKey<Md5>::FromStates(View(states)).Sign(kSalt);
  Label(state, View(digest));
}
BENCHMARK(BM_CramMd5Digest);

void BM_CramMd5DigestPlain(benchmark::State& state) {
  DigestOf<Md5> digest{};
  for (auto _ : state) {
    Hmac hmac;
    CHECK(wc_HmacInit(&hmac, nullptr, INVALID_DEVID) == 0);
    CHECK(wc_HmacSetKey(&hmac, WC_MD5, reinterpret_cast<const byte*>("correct horse battery"),
                        21) == 0);
    CHECK(wc_HmacUpdate(&hmac, reinterpret_cast<const byte*>(kSalt.data()), 16) == 0);
    CHECK(wc_HmacFinal(&hmac, reinterpret_cast<byte*>(digest.data())) == 0);
    wc_HmacFree(&hmac);
  }
  Label(state, View(digest));
}
BENCHMARK(BM_CramMd5DigestPlain);

}  // namespace
}  // namespace sluice::auth
