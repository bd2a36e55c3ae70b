#include "auth/scram_exchange.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "auth/gs2_header.h"
#include "auth/hmac_key.h"
#include "auth/prepare.h"
#include "core/base/base64.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

constexpr size_t kNonceBytesMax = 512;  // of the client
constexpr size_t kBindingNameBytesMax = 64;  // in the log

bool IsNonce(ByteView text) {
  const auto is_printable = [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; };
  return !text.empty() && text.size() <= kNonceBytesMax &&
         std::all_of(text.begin(), text.end(), is_printable);
}

}  // namespace

ScramExchange::ScramExchange(ScramHash hash, bool plus, const ExchangeContext& context)
    : hash_(hash), plus_(plus), context_(context) {}

Next ScramExchange::Done(Failure failure, ByteView detail) {
  state_ = State::kDone;
  return Fail(failure, detail);
}

Next ScramExchange::Start(std::optional<ByteView> initial) {
  CHECK(state_ == State::kStart);
  state_ = State::kFirst;
  return initial.has_value() ? OnFirst(*initial) : Challenge("");
}

Next ScramExchange::Step(ByteView response) {
  switch (state_) {
    case State::kFirst:
      return OnFirst(response);
    case State::kFinal:
      return OnFinal(response);
    case State::kSigned:
      if (!response.empty()) return Done(Failure::kMalformed);
      state_ = State::kDone;
      return Next::kSuccess;
    case State::kStart:
    case State::kRecord:
    case State::kDone:
      break;
  }
  CHECK(false);
  return Next::kFailure;
}

// gs2-cb-flag = "p=" cb-name / "n" / "y"
bool ScramExchange::TakeHeader(ByteView& message) {
  Gs2Header header;
  if (!TakeGs2Header(message, header)) return false;
  authorization_ = std::move(header.authorization);
  header_ = header.whole;
  const ByteView flag = header.flag;
  if (flag.starts_with("p=")) return plus_ && TakeBinding(flag.substr(2));
  downgraded_ = flag == "y" && context_.bindings != nullptr && context_.bindings->offered;
  return !plus_ && (flag == "n" || flag == "y");
}

// cb-name = 1*(ALPHA / DIGIT / "." / "-")
bool ScramExchange::TakeBinding(ByteView name) {
  CHECK(context_.bindings != nullptr);  // -PLUS is offered under TLS alone
  const auto is_of_name = [](char c) { return IsAsciiAlnum(c) || c == '.' || c == '-'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_of_name)) return false;
  ByteView data;
  if (name == "tls-exporter") data = context_.bindings->tls_exporter;
  if (name == "tls-server-end-point") data = context_.bindings->tls_server_end_point;
  header_ += data;
  if (data.empty()) {
    unbindable_ = absl::StrCat(
        "the client binds to the TLS channel by ", name.substr(0, kBindingNameBytesMax),
        ", which there is not here: let it use tls-exporter (with TLS 1.3) or "
        "tls-server-end-point");
  }
  return true;
}

// client-first-message-bare = "n=" saslname "," "r=" nonce ["," extensions]
Next ScramExchange::OnFirst(ByteView message) {
  if (!TakeHeader(message)) return Done(Failure::kMalformed);
  const ByteView bare = message;
  ByteView name;
  ByteView nonce;
  if (!TakeAttribute(message, 'n', name) || !TakeAttribute(message, 'r', nonce) ||
      !IsNonce(nonce)) {
    return Done(Failure::kMalformed);  // also for "m=", which nobody may ignore
  }
  std::string decoded;
  if (!DecodeSaslName(name, decoded)) return Done(Failure::kMalformed);
  auth_message_ = bare;
  nonce_ = absl::StrCat(nonce, context_.nonce);
  if (PrepareLogin(decoded, Purpose::kQuery, login_) != Prepared::kOk) {
    return Done(Failure::kCredentials);
  }
  if (!unbindable_.empty()) return Done(Failure::kCredentials, unbindable_);
  state_ = State::kRecord;
  return Next::kLookup;
}

Next ScramExchange::OnRecord(const CredentialRecord* record) {
  CHECK(state_ == State::kRecord);
  // Who is disabled keeps his own salt: another one would say so.
  const bool has_keys = record != nullptr && record->Scram(hash_).has_value();
  known_ = has_keys && record->may_log_in();
  keys_ = context_.decoys->Keys(hash_, login_);  // for everybody: it takes time
  if (has_keys) keys_ = *record->Scram(hash_);
  reply_ =
      absl::StrCat("r=", nonce_, ",s=", Base64Encode(keys_->salt_view()), ",i=", keys_->iterations);
  absl::StrAppend(&auth_message_, ",", reply_, ",");
  state_ = State::kFinal;
  return Challenge(reply_);
}

// client-final-message = "c=" base64 "," "r=" nonce ["," extensions] "," "p=" base64
Next ScramExchange::OnFinal(ByteView message) {
  const size_t proof_at = message.rfind(",p=");
  if (proof_at == ByteView::npos) return Done(Failure::kMalformed);
  ByteView rest = message.substr(0, proof_at);
  auth_message_ += rest;
  ByteView binding;
  ByteView nonce;
  if (!TakeAttribute(rest, 'c', binding) || !TakeAttribute(rest, 'r', nonce)) {
    return Done(Failure::kMalformed);
  }
  const ByteView proof_text = message.substr(proof_at + 3);
  std::array<char, Base64DecodedBytesMax(Base64EncodedBytes(kDigestBytesMax))> proof;
  const size_t bytes = DigestBytes(hash_);
  if (proof_text.size() != Base64EncodedBytes(bytes) ||
      Base64Decode(proof_text, proof) != static_cast<ptrdiff_t>(bytes)) {
    return Done(Failure::kMalformed);
  }
  const bool right_channel = binding == Base64Encode(header_);
  const bool right_nonce = nonce == nonce_;
  const bool proved = WithHash(hash_, [&]<typename H>(H) {
    // ClientKey = ClientProof XOR ClientSignature; H(ClientKey) must be StoredKey.
    DigestOf<H> key = HmacKey<H>::FromStates(keys_->stored_key_states_view()).Sign(auth_message_);
    for (size_t i = 0; i < H::kBytes; i++) key[i] = static_cast<char>(key[i] ^ proof[i]);
    const bool equal = ConstantTimeEquals(View(HashOf<H>(View(key))), keys_->stored_key_view());
    const DigestOf<H> signature =
        HmacKey<H>::FromStates(keys_->server_key_states_view()).Sign(auth_message_);
    reply_ = absl::StrCat("v=", Base64Encode(View(signature)));
    Wipe(key);
    return equal;
  });
  if (!proved || !known_ || !right_nonce) return Done(Failure::kCredentials);
  proved_ = true;
  if (downgraded_) {
    return Done(Failure::kCredentials,
                "the password is right, but the client saw no -PLUS mechanism though one was "
                "offered: somebody may stand between");
  }
  if (!right_channel) {
    return Done(Failure::kCredentials,
                plus_ ? ByteView("the password is right, but is bound to another TLS channel: "
                                 "somebody may stand between")
                      : ByteView("the password is right, but the client's first message did not "
                                 "come as it was sent: somebody may stand between"));
  }
  state_ = State::kSigned;
  return Challenge(reply_);
}

Next ScramExchange::OnVerified(Verdict) {
  CHECK(false);  // never wished for
  return Next::kFailure;
}

}  // namespace sluice::auth
