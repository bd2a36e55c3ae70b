#include "tls/server_context.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "tls/channel_io.h"
#include "tls/library.h"

namespace sluice::tls {

// Seals and opens tickets for the library. A ticket that does not open costs the client a full handshake.
//
// The library numbers the tickets that follow from one full handshake by an octet, and a handshake fails when it would be
// the 256th. So each ticket says, behind its tag, which of its chain it is, and one that is far down does not open.
struct TicketCallback {
  static constexpr size_t kNonceBytes = 12;
  static constexpr size_t kTagBytes = 16;
  static constexpr uint8_t kLinksMax = 200;
  static_assert(kNonceBytes <= WOLFSSL_TICKET_IV_SZ && kTagBytes < WOLFSSL_TICKET_MAC_SZ);
  using Authenticated = std::array<byte, WOLFSSL_TICKET_NAME_SZ + 1>;
  static_assert(sizeof(TicketKey::name) == WOLFSSL_TICKET_NAME_SZ);

  static int Call(WOLFSSL* ssl, byte name[WOLFSSL_TICKET_NAME_SZ], byte nonce[WOLFSSL_TICKET_IV_SZ],
                  byte mac[WOLFSSL_TICKET_MAC_SZ], int seal, byte* ticket, int in_bytes, int* out_bytes,
                  void* context) {
    // The context lives: a Channel holds it as long as its handshake goes on.
    const TicketKeys* keys = static_cast<const ServerContext*>(context)->ticket_keys_.get();
    if (keys == nullptr) return WOLFSSL_TICKET_RET_REJECT;
    *out_bytes = in_bytes;  // GCM keeps the length
    const word32 bytes = static_cast<word32>(in_bytes);
    uint8_t* links = ChannelIo::TicketLinks(ssl);

    if (seal != 0) {
      std::memcpy(name, keys->current().name.data(), WOLFSSL_TICKET_NAME_SZ);
      if (wc_RNG_GenerateBlock(wolfSSL_GetRNG(ssl), nonce, WOLFSSL_TICKET_IV_SZ) != 0) {
        return WOLFSSL_TICKET_RET_REJECT;
      }
      std::memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
      mac[kTagBytes] = links == nullptr ? 0 : *links;
      const Authenticated clear = InClear(name, mac);
      return Run(keys->current(), [&](Aes* aes) {
               return wc_AesGcmEncrypt(aes, ticket, ticket, bytes, nonce, kNonceBytes, mac, kTagBytes, clear.data(),
                                       clear.size());
             })
                 ? WOLFSSL_TICKET_RET_OK
                 : WOLFSSL_TICKET_RET_REJECT;
    }

    const TicketKey* key = keys->Find(ByteView(reinterpret_cast<const char*>(name), WOLFSSL_TICKET_NAME_SZ));
    const Authenticated clear = InClear(name, mac);
    if (key == nullptr || mac[kTagBytes] >= kLinksMax || !Run(*key, [&](Aes* aes) {
          return wc_AesGcmDecrypt(aes, ticket, ticket, bytes, nonce, kNonceBytes, mac, kTagBytes, clear.data(),
                                  clear.size());
        })) {
      return WOLFSSL_TICKET_RET_REJECT;
    }
    if (links != nullptr) *links = mac[kTagBytes] + 1;
    // TLS 1.2 gives a new ticket only when asked to; TLS 1.3 always does.
    const bool renew = key != &keys->current() && wolfSSL_GetVersion(ssl) == WOLFSSL_TLSV1_2;
    return renew ? WOLFSSL_TICKET_RET_CREATE : WOLFSSL_TICKET_RET_OK;
  }

  static Authenticated InClear(const byte* name, const byte* mac) {
    Authenticated clear;
    std::memcpy(clear.data(), name, WOLFSSL_TICKET_NAME_SZ);
    clear.back() = mac[kTagBytes];
    return clear;
  }

  template <typename F>
  static bool Run(const TicketKey& key, F f) {
    Aes aes;
    if (wc_AesInit(&aes, nullptr, INVALID_DEVID) != 0) return false;
    const bool done =
        wc_AesGcmSetKey(&aes, reinterpret_cast<const byte*>(key.key.data()), sizeof key.key) == 0 && f(&aes) == 0;
    wc_AesFree(&aes);
    return done;
  }
};

namespace {

bool Takes(const KeysTaken& keys, KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcdsaP256: return keys.ecdsa_p256;
    case KeyKind::kEcdsaP384: return keys.ecdsa_p384;
    case KeyKind::kRsa: return keys.rsa;
  }
  return false;
}

NameMatch BestMatch(const CertificateFacts& certificate, ByteView host) {
  NameMatch best = NameMatch::kNone;
  for (const std::string& name : certificate.names) best = std::max(best, MatchName(name, host));
  return best;
}

}  // namespace

absl::StatusOr<std::shared_ptr<ServerContext>> ServerContext::Create(const ServerOptions& options) {
  if (options.identities.empty()) return absl::InvalidArgumentError("no certificate is configured");
  std::shared_ptr<ServerContext> context(new ServerContext);
  context->versions_ = options.parameters.versions;
  if (options.client_trust.has_value()) {
    absl::StatusOr<std::unique_ptr<ClientTrust>> trust = ClientTrust::Create(*options.client_trust);
    if (!trust.ok()) return trust.status();
    context->client_trust_ = *std::move(trust);
  } else {
    context->ticket_keys_ = options.ticket_keys;
  }
  if (options.ticket_keys != nullptr &&
      (options.ticket_lifetime < seconds(1) || options.ticket_lifetime > hours(24 * 7))) {
    return absl::InvalidArgumentError("a ticket's lifetime must be from 1 second to 7 days (RFC 8446 4.6.1)");
  }
  const int lifetime_seconds = static_cast<int>(std::chrono::duration_cast<seconds>(options.ticket_lifetime).count());

  for (const IdentityPem& pem : options.identities) {
    absl::StatusOr<CertificateFacts> facts = ReadCertificate(pem.chain, pem.chain_file);
    if (!facts.ok()) return facts.status();
    ContextOwner library;
    if (absl::Status status = NewContext(/*client=*/false, options.parameters, library); !status.ok()) return status;
    if (absl::Status status = LoadIdentity(pem, library.get()); !status.ok()) return status;

    wolfSSL_CTX_set_verify(library.get(), WOLFSSL_VERIFY_NONE, nullptr);
    ChannelIo::Install(library.get());
    if (context->ticket_keys_ != nullptr) {
      wolfSSL_CTX_set_TicketEncCb(library.get(), TicketCallback::Call);
      wolfSSL_CTX_set_TicketEncCtx(library.get(), context.get());
      // Also how long a ticket is taken: the library knows when it was made.
      CHECK(wolfSSL_CTX_set_TicketHint(library.get(), lifetime_seconds) == WOLFSSL_SUCCESS);
      CHECK(wolfSSL_CTX_set_timeout(library.get(), static_cast<unsigned>(lifetime_seconds)) == WOLFSSL_SUCCESS);
    } else {
      wolfSSL_CTX_NoTicketTLSv12(library.get());
      wolfSSL_CTX_no_ticket_TLSv13(library.get());
    }
    context->certificates_.push_back(*std::move(facts));
    context->contexts_.push_back(library.release());
  }
  return context;
}

ServerContext::~ServerContext() {
  for (WOLFSSL_CTX* context : contexts_) wolfSSL_CTX_free(context);  // or when its last connection goes
}

void ServerContext::set_ticket_keys(std::shared_ptr<const TicketKeys> keys) {
  CHECK(keys != nullptr);
  if (ticket_keys_ != nullptr) ticket_keys_ = std::move(keys);
}

size_t ServerContext::Choose(const ClientHello& hello) const {
  if (certificates_.size() == 1) return 0;
  const bool tls13 = versions_ == Versions::kOnly13 || (versions_ == Versions::k12And13 && hello.tls13);
  const KeysTaken& keys = tls13 ? hello.keys13 : hello.keys12;

  bool known = false;
  for (const CertificateFacts& certificate : certificates_) {
    known = known || BestMatch(certificate, hello.server_name) != NameMatch::kNone;
  }
  const CertificateFacts& fallback = certificates_[0];
  const ByteView host = known                    ? ByteView(hello.server_name)
                        : fallback.names.empty() ? ByteView()
                                                 : ByteView(fallback.names[0]);

  size_t best = 0;
  int best_rank = -1;
  for (size_t i = 0; i < certificates_.size(); i++) {
    const CertificateFacts& certificate = certificates_[i];
    const bool is_default = !known && i == 0;  // also when it has no name at all
    const NameMatch match = is_default ? NameMatch::kExact : BestMatch(certificate, host);
    // A key that the client cannot use helps nobody; after that the name counts, then the kind of key.
    const int rank = 8 * Takes(keys, certificate.kind) + 2 * static_cast<int>(match) + (certificate.kind != KeyKind::kRsa);
    if (rank > best_rank) {
      best = i;
      best_rank = rank;
    }
  }
  return best;
}

}  // namespace sluice::tls
