#include "auth/sasl_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "auth/digest_md5.h"
#include "auth/gs2_header.h"
#include "auth/gssapi_client.h"
#include "auth/hmac_key.h"
#include "auth/prepare.h"
#include "auth/record.h"
#include "core/base/base64.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

class PlainClient final : public SaslClient {
 public:
  explicit PlainClient(SaslLogin login) : login_(std::move(login)) {}
  ByteView mechanism() const override { return "PLAIN"; }
  bool Begin(std::string& response) override {  // RFC 4616: no authorization identity
    response.append(1, '\0').append(login_.user).append(1, '\0').append(login_.password);
    return true;
  }
  bool Answer(ByteView, std::string&) override { return false; }
  bool Done() override { return true; }

 private:
  const SaslLogin login_;
};

class LoginClient final : public SaslClient {
 public:
  explicit LoginClient(SaslLogin login) : login_(std::move(login)) {}
  ByteView mechanism() const override { return "LOGIN"; }
  bool Begin(std::string&) override {
    answers_ = 0;
    return false;
  }
  bool Answer(ByteView, std::string& response) override {
    if (answers_ == 2) return false;
    response = answers_++ == 0 ? login_.user : login_.password;
    return true;
  }
  bool Done() override { return answers_ == 2; }

 private:
  const SaslLogin login_;
  int answers_ = 0;
};

class ExternalClient final : public SaslClient {
 public:
  explicit ExternalClient(SaslLogin login) : login_(std::move(login)) {}
  ByteView mechanism() const override { return "EXTERNAL"; }
  bool Begin(std::string& response) override {  // as whom; the proof is the TLS certificate
    response = login_.user;
    return true;
  }
  bool Answer(ByteView, std::string&) override { return false; }
  bool Done() override { return true; }

 private:
  const SaslLogin login_;
};

class CramMd5Client final : public SaslClient {
 public:
  explicit CramMd5Client(SaslLogin login) : login_(std::move(login)) {}
  ByteView mechanism() const override { return "CRAM-MD5"; }
  bool Begin(std::string&) override {
    answered_ = false;
    return false;
  }
  bool Answer(ByteView challenge, std::string& response) override {
    if (std::exchange(answered_, true)) return false;
    const DigestOf<Md5> digest = HmacKey<Md5>(login_.password).Sign(challenge);
    response = absl::StrCat(login_.user, " ", absl::BytesToHexString(View(digest)));
    return true;
  }
  bool Done() override { return answered_; }

 private:
  const SaslLogin login_;
  bool answered_ = false;
};

// See auth/digest_md5_exchange.h for the dialogue.
class DigestMd5Client final : public SaslClient {
 public:
  explicit DigestMd5Client(SaslLogin login) : login_(std::move(login)) {}
  ByteView mechanism() const override { return "DIGEST-MD5"; }
  bool Begin(std::string&) override {
    state_ = State::kFirst;
    return false;
  }
  bool Answer(ByteView challenge, std::string& response) override {
    const auto directives = ParseDigest(challenge);
    if (!directives.has_value()) return false;
    switch (state_) {
      case State::kFirst:
        return Prove(*directives, response);
      case State::kProved: {
        const std::string* const auth = FindDirective(*directives, "rspauth");
        if (auth == nullptr || *auth != response_auth_) return false;
        state_ = State::kTrusted;
        return true;
      }
      case State::kTrusted:
        break;
    }
    return false;
  }
  bool Done() override { return state_ == State::kTrusted; }

 private:
  enum class State : uint8_t { kFirst, kProved, kTrusted };

  // The first realm is taken where there are several (RFC 2831 section 2.1.1).
  bool Prove(std::span<const DigestDirective> challenge, std::string& response) {
    constexpr ByteView kCount = "00000001";
    const std::string* const nonce = FindDirective(challenge, "nonce");
    const std::string* const realm = FindDirective(challenge, "realm");
    const std::string* const algorithm = FindDirective(challenge, "algorithm");
    const std::string* const qop = FindDirective(challenge, "qop");  // none: "auth"
    if (nonce == nullptr || nonce->empty() || realm == nullptr || algorithm == nullptr ||
        *algorithm != "md5-sess" || (qop != nullptr && !Lists(*qop, "auth"))) {
      return false;
    }
    const std::string uri = absl::StrCat("smtp/", login_.host.empty() ? *realm : login_.host);
    const DigestMd5Key key = DeriveDigestMd5Key(login_.user, *realm, login_.password);
    const DigestMd5Context context{
        .nonce = *nonce, .cnonce = login_.nonce, .nc = kCount, .qop = "auth", .uri = uri};
    const DigestMd5Proofs proofs = ProofsOf(key, context);
    response = absl::StrCat(
        "charset=utf-8,username=", QuoteDigest(login_.user), ",realm=", QuoteDigest(*realm),
        ",nonce=", QuoteDigest(*nonce), ",nc=", kCount, ",cnonce=", QuoteDigest(login_.nonce),
        ",digest-uri=", QuoteDigest(uri), ",response=", proofs.response, ",qop=auth");
    response_auth_ = proofs.response_auth;
    state_ = State::kProved;
    return true;
  }

  static bool Lists(ByteView words, ByteView word) {
    for (const std::string_view each : absl::StrSplit(words, ',')) {
      if (absl::StripAsciiWhitespace(each) == word) return true;
    }
    return false;
  }

  const SaslLogin login_;
  State state_ = State::kFirst;
  std::string response_auth_;  // what the server must say
};

// The password is the token. See auth/bearer_exchange.h for the dialogue.
class BearerClient final : public SaslClient {
 public:
  BearerClient(Mechanism mechanism, SaslLogin login)
      : mechanism_(mechanism), login_(std::move(login)) {}
  ByteView mechanism() const override { return Info(mechanism_).name; }
  bool Begin(std::string& response) override {
    refused_ = false;
    response = mechanism_ == Mechanism::kXoauth2
                   ? absl::StrCat("user=", login_.user)
                   : absl::StrCat("n,a=", EncodeSaslName(login_.user), ",");
    absl::StrAppend(&response, "\x01", "auth=Bearer ", login_.password, "\x01\x01");
    return true;
  }
  // The server says why it will refuse, and wants a sign before it does.
  bool Answer(ByteView, std::string& response) override {
    if (std::exchange(refused_, true)) return false;
    response.assign(mechanism_ == Mechanism::kXoauth2 ? 0 : 1, '\x01');
    return true;
  }
  bool Done() override { return !refused_; }

 private:
  const Mechanism mechanism_;
  const SaslLogin login_;
  bool refused_ = false;
};

// See auth/scram_exchange.h for the dialogue.
class ScramClient final : public SaslClient {
 public:
  ScramClient(Mechanism mechanism, SaslLogin login)
      : info_(Info(mechanism)), hash_(*info_.scram), login_(std::move(login)) {
    CHECK(login_.cache != nullptr && (!info_.plus || login_.bindings != nullptr));
    Secret prepared;
    if (PreparePassword(login_.password, Purpose::kQuery, prepared) == Prepared::kOk) {
      login_.password = prepared.view();
    }
  }
  ByteView mechanism() const override { return info_.name; }

  bool Begin(std::string& response) override {
    header_ = info_.plus ? "p=tls-exporter,," : "n,,";
    bare_ = absl::StrCat("n=", EncodeSaslName(login_.user), ",r=", login_.nonce);
    response = absl::StrCat(header_, bare_);
    if (info_.plus) header_ += login_.bindings->tls_exporter;
    state_ = State::kFirst;
    return true;
  }

  bool Answer(ByteView challenge, std::string& response) override {
    switch (state_) {
      case State::kFirst:
        return Prove(challenge, response);
      case State::kProved:
        if (challenge != absl::StrCat("v=", signature_)) return false;
        state_ = State::kTrusted;
        return true;
      case State::kTrusted:
        break;
    }
    return false;
  }
  bool Done() override { return state_ == State::kTrusted; }

 private:
  enum class State : uint8_t { kFirst, kProved, kTrusted };

  // "r=" nonce ",s=" base64 ",i=" number
  bool Prove(ByteView challenge, std::string& response) {
    const size_t salt_at = challenge.find(",s=");
    const size_t count_at = salt_at == challenge.npos ? salt_at : challenge.find(",i=", salt_at);
    if (count_at == challenge.npos || !challenge.starts_with("r=")) return false;
    const ByteView nonce = challenge.substr(2, salt_at - 2);
    const ByteView salt_text = challenge.substr(salt_at + 3, count_at - salt_at - 3);
    const ByteView count_text = challenge.substr(count_at + 3);
    if (!nonce.starts_with(login_.nonce) || nonce.size() == login_.nonce.size()) return false;
    std::array<char, kSaltBytesMax> salt;
    if (Base64DecodedBytesMax(salt_text.size()) > salt.size()) return false;
    const ptrdiff_t salt_bytes = Base64Decode(salt_text, salt);
    uint32_t count = 0;
    const char* const end = count_text.data() + count_text.size();
    const auto read = std::from_chars(count_text.data(), end, count);
    if (salt_bytes < 0 || read.ec != std::errc() || read.ptr != end || count == 0 ||
        count > kIterationsMax) {
      return false;
    }
    const ScramCache::Keys& keys =
        login_.cache->Find(hash_, login_.user, login_.password,
                           ByteView(salt.data(), static_cast<size_t>(salt_bytes)), count);
    response = absl::StrCat("c=", Base64Encode(header_), ",r=", nonce);
    const std::string message = absl::StrCat(bare_, ",", challenge, ",", response);
    WithHash(hash_, [&]<typename H>(H) {
      constexpr size_t kStates = HmacKey<H>::kStateBytes;
      const auto key_of = [](const auto& states) {
        return HmacKey<H>::FromStates(ByteView(states.data(), kStates));
      };
      DigestOf<H> proof = key_of(keys.stored_key_states).Sign(message);
      for (size_t i = 0; i < H::kBytes; i++) {
        proof[i] = static_cast<char>(proof[i] ^ keys.client_key[i]);
      }
      absl::StrAppend(&response, ",p=", Base64Encode(View(proof)));
      signature_ = Base64Encode(View(key_of(keys.server_key_states).Sign(message)));
    });
    state_ = State::kProved;
    return true;
  }

  const MechanismInfo& info_;
  const ScramHash hash_;
  SaslLogin login_;
  State state_ = State::kFirst;
  std::string header_;     // and the binding behind it
  std::string bare_;       // client-first-message-bare
  std::string signature_;  // base64: what the server must say
};

}  // namespace

const ScramCache::Keys& ScramCache::Find(ScramHash hash, ByteView user, ByteView password,
                                         ByteView salt, uint32_t iterations) {
  const std::string name = absl::StrCat(static_cast<int>(hash), " ", user.size(), " ", user,
                                        password.size(), " ", password, iterations, " ", salt);
  std::unique_ptr<Keys>& keys = keys_[name];
  if (keys != nullptr) return *keys;
  keys = std::make_unique<Keys>();
  WithHash(hash, [&]<typename H>(H) {
    const HmacKey<H> salted(View(HmacKey<H>(password).Stretch(salt, iterations)));
    const DigestOf<H> client_key = salted.Sign("Client Key");
    std::copy(client_key.begin(), client_key.end(), keys->client_key.begin());
    std::string states;
    HmacKey<H>(View(HashOf<H>(View(client_key)))).AppendStates(states);
    std::copy(states.begin(), states.end(), keys->stored_key_states.begin());
    states.clear();
    HmacKey<H>(View(salted.Sign("Server Key"))).AppendStates(states);
    std::copy(states.begin(), states.end(), keys->server_key_states.begin());
  });
  return *keys;
}

std::unique_ptr<SaslClient> MakeSaslClient(Mechanism mechanism, SaslLogin login) {
  if (Info(mechanism).scram.has_value()) {
    return std::make_unique<ScramClient>(mechanism, std::move(login));
  }
  if (mechanism == Mechanism::kCramMd5) return std::make_unique<CramMd5Client>(std::move(login));
  if (mechanism == Mechanism::kDigestMd5) {
    return std::make_unique<DigestMd5Client>(std::move(login));
  }
  if (Info(mechanism).token) return std::make_unique<BearerClient>(mechanism, std::move(login));
  if (mechanism == Mechanism::kLogin) return std::make_unique<LoginClient>(std::move(login));
  if (mechanism == Mechanism::kExternal) return std::make_unique<ExternalClient>(std::move(login));
  if (mechanism == Mechanism::kGssapi) return MakeGssapiClient(std::move(login.user), login.host);
  CHECK(mechanism == Mechanism::kPlain);
  return std::make_unique<PlainClient>(std::move(login));
}

}  // namespace sluice::auth
