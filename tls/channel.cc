#include "tls/channel.h"

#include <arpa/inet.h>

#include "core/base/check.h"
#include "tls/channel_io.h"
#include "tls/library.h"

namespace sluice::tls {
namespace {

// A HelloRetryRequest is about 100 octets with its ChangeCipherSpec; the least flight of a server, without a
// certificate, twice that and more.
constexpr size_t kHelloRetryBytesMax = 160;

// Failures that the library has no code for. Its codes are all below -100.
constexpr int16_t kErrorHelloTooLong = -1;
constexpr int16_t kErrorNoMemory = -2;
constexpr int16_t kErrorBadName = -3;
constexpr int16_t kErrorEarlyBytes = -4;

// The one alert that we write ourselves, before the library exists: fatal decode_error (RFC 8446 section 6).
constexpr ByteView kDecodeErrorAlert("\x15\x03\x03\x00\x02\x02\x32", 7);

// RFC 9266.
constexpr ByteView kExporterLabel = "EXPORTER-Channel-Binding";

bool IsIpAddress(const std::string& text) {
  in6_addr parsed;
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1 || inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

// Whose certificate is expected: its name is checked by a context with trust, and asked for by SNI.
bool ExpectName(WOLFSSL* ssl, Trust trust, const std::string& name) {
  if (name.empty()) return trust == Trust::kAnyone;
  const bool ip = IsIpAddress(name);
  if (!ip && wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, name.data(), static_cast<word16>(name.size())) !=
                 WOLFSSL_SUCCESS) {
    return false;
  }
  if (trust == Trust::kAnyone) return true;
  return (ip ? wolfSSL_check_ip_address(ssl, name.c_str()) : wolfSSL_check_domain_name(ssl, name.c_str())) ==
         WOLFSSL_SUCCESS;
}

}  // namespace

// What a server's handshake needs beside the library's object.
struct Channel::HandshakeState {
  // The library reports what is wrong with a client's certificates, and that is always something,
  // since it knows no CA. At its first report all of them are there, and whom they name is judged
  // here. What else it finds (a key that is too short, one that is not for clients) is held against
  // them. The handshake goes on whatever it is; the client must still prove that it holds the key.
  static int OnCertificate(int, WOLFSSL_X509_STORE_CTX* store) {
    auto* state = static_cast<HandshakeState*>(store->userCtx);
    if (state->peer_certificate == nullptr) {
      std::vector<ByteView> chain;
      for (int i = 0; i < store->totalCerts; i++) {
        const WOLFSSL_BUFFER_INFO& der = store->certs[i];
        chain.emplace_back(reinterpret_cast<const char*>(der.buffer), der.length);
      }
      if (chain.empty()) return 0;
      state->peer_certificate =
          std::make_unique<PeerCertificate>(state->context->client_trust()->Judge(chain));
    }
    std::string& problem = state->peer_certificate->problem;
    const bool no_ca = store->error == ASN_NO_SIGNER_E || store->error == ASN_SELF_SIGNED_E;
    if (problem.empty() && store->error != 0 && !no_ca) problem = ErrorText(store->error);
    return 1;
  }

  // The library keeps the CAs of a chain that goes on, for all connections of the context; they
  // were judged for this one alone.
  void ForgetAuthorities() const {
    WOLFSSL_CTX* library = context->library_context(identity);
    wolfSSL_CertManagerUnloadTypeCerts(wolfSSL_CTX_GetCertManager(library), WOLFSSL_CHAIN_CA);
  }

  std::shared_ptr<ServerContext> context;
  Buffer received;  // from the first octet until the library took it
  ClientHello hello;
  size_t identity = 0;
  bool ready = false;        // the identity is chosen
  bool flight_sent = false;  // the server's flight has gone, whatever it took
  uint8_t ticket_links = 0;  // how far down its chain the ticket was that the client resumes with, plus 1
  std::unique_ptr<PeerCertificate> peer_certificate;
};

Channel::Channel() = default;
Channel::Channel(Channel&& other) noexcept { Swap(other); }
Channel& Channel::operator=(Channel&& other) noexcept {
  Channel taken(std::move(other));
  Swap(taken);
  return *this;
}
Channel::~Channel() { wolfSSL_free(ssl_); }

void Channel::Swap(Channel& other) noexcept {
  std::swap(ssl_, other.ssl_);
  handshake_.swap(other.handshake_);
  std::swap(error_, other.error_);
  std::swap(pending_, other.pending_);
  std::swap(state_, other.state_);
  std::swap(client_, other.client_);
  std::swap(shut_down_, other.shut_down_);
}

Channel Channel::Accept(std::shared_ptr<ServerContext> context) {
  Channel channel;
  channel.handshake_ = std::make_unique<HandshakeState>();
  channel.handshake_->context = std::move(context);
  return channel;
}

Channel Channel::Connect(const ClientContext& context, const ConnectOptions& options) {
  Channel channel;
  channel.client_ = true;
  channel.state_ = State::kHandshake;
  channel.ssl_ = wolfSSL_new(context.library_context());
  if (channel.ssl_ == nullptr) {
    channel.Fail(kErrorNoMemory);
  } else if (!ExpectName(channel.ssl_, context.trust(), options.server_name)) {
    channel.Fail(kErrorBadName);
  } else if (options.session != nullptr && *options.session) {
    wolfSSL_set_session(channel.ssl_, options.session->session_);  // refused (too old): a full handshake
  }
  return channel;
}

void Channel::Fail(int error) {
  state_ = State::kFailed;
  error_ = static_cast<int16_t>(error);
  handshake_.reset();
}

// --- Handshake ------------------------------------------------------------------------------------------------------

Step Channel::Handshake(ByteView& cipher, Buffer& out, HandshakeInfo* info) {
  CHECK(*this && state_ != State::kOpen);
  if (state_ == State::kFailed) return Step::kFailed;
  if (state_ == State::kHello) {
    if (!handshake_->ready) return ReadHello(cipher, out);
    if (!CreateServer()) return Step::kFailed;
  }
  if (info != nullptr) wolfSSL_KeepArrays(ssl_);
  const size_t sent_before = out.size();

  ChannelIo io(ssl_, handshake_ == nullptr ? nullptr : &handshake_->received, cipher, out, pending_,
               handshake_ == nullptr ? nullptr : &handshake_->ticket_links);
  const bool asks = handshake_ != nullptr && handshake_->context->client_trust() != nullptr;
  const int result = client_ ? wolfSSL_connect(ssl_) : wolfSSL_accept(ssl_);
  if (asks) handshake_->ForgetAuthorities();
  if (result == WOLFSSL_SUCCESS) return Finish(info);
  if (const int error = wolfSSL_get_error(ssl_, result); error != WOLFSSL_ERROR_WANT_READ) {
    Fail(error);
    return Step::kFailed;
  }
  if (handshake_ != nullptr) {
    if (handshake_->received.empty()) handshake_->received.Reset();
    handshake_->flight_sent |= out.size() - sent_before > kHelloRetryBytesMax;
  }
  return Step::kWantRead;
}

// Keeps what comes until the ClientHello is complete, then chooses the identity. No cryptography yet.
Step Channel::ReadHello(ByteView& cipher, Buffer& out) {
  Buffer& received = handshake_->received;
  const size_t taken = std::min(cipher.size(), kClientHelloBytesMax - received.size());
  received.Append(cipher.substr(0, taken));
  cipher.remove_prefix(taken);
  switch (ParseClientHello(received.view(), handshake_->hello)) {
    case HelloStatus::kNeedMore: return Step::kWantRead;
    case HelloStatus::kTooLong:
      out.Append(kDecodeErrorAlert);
      Fail(kErrorHelloTooLong);
      return Step::kFailed;
    case HelloStatus::kMalformed:  // the library will find the words
      handshake_->hello = ClientHello();
      break;
    case HelloStatus::kComplete: break;
  }
  handshake_->identity = handshake_->context->Choose(handshake_->hello);
  handshake_->ready = true;
  return Step::kReady;
}

bool Channel::CreateServer() {
  ssl_ = wolfSSL_new(handshake_->context->library_context(handshake_->identity));
  if (ssl_ == nullptr) {
    Fail(kErrorNoMemory);
    return false;
  }
  if (handshake_->context->client_trust() != nullptr) {
    wolfSSL_set_verify(ssl_, WOLFSSL_VERIFY_PEER, HandshakeState::OnCertificate);
    wolfSSL_SetCertCbCtx(ssl_, handshake_.get());
  }
  state_ = State::kHandshake;
  return true;
}

Step Channel::Finish(HandshakeInfo* info) {
  // Bytes that came before the server's first flight was sent cannot be part of what follows it.
  if (handshake_ != nullptr && !handshake_->received.empty()) {
    Fail(kErrorEarlyBytes);
    return Step::kFailed;
  }
  if (info != nullptr) FillInfo(*info);
  wolfSSL_FreeArrays(ssl_);  // the secrets of the handshake
  wolfSSL_SetCertCbCtx(ssl_, nullptr);
  handshake_.reset();
  state_ = State::kOpen;
  return Step::kDone;
}

void Channel::FillInfo(HandshakeInfo& info) {
  if (handshake_ != nullptr) {
    info.server_name = handshake_->hello.server_name;
    info.server_end_point = handshake_->context->certificates()[handshake_->identity].end_point;
    info.peer_certificate = std::move(handshake_->peer_certificate);
  }
  const bool tls13 = is_tls13();
  // In TLS 1.2 only the extended master secret makes the exporter unique (RFC 9266 section 4.2). The server always
  // agrees to it, and the library does not tell a client whether its server did.
  if (!tls13 && (client_ || !handshake_->hello.extended_master_secret)) return;
  info.has_exporter =
      wolfSSL_export_keying_material(ssl_, Octets(info.exporter.data()), info.exporter.size(), kExporterLabel.data(),
                                     kExporterLabel.size(), nullptr, 0, /*use_context=*/tls13 ? 1 : 0) == WOLFSSL_SUCCESS;
}

Work Channel::NextWork() const {
  // Before the server's flight: at the first ClientHello, or at the second, which a client may ask for.
  if (handshake_ != nullptr && !handshake_->flight_sent) {
    if (!handshake_->ready) return Work::kLight;
    const KeyKind kind = handshake_->context->certificates()[handshake_->identity].kind;
    return kind == KeyKind::kRsa ? Work::kSignRsa : Work::kSignEcdsa;
  }
  if (state_ != State::kHandshake) return Work::kLight;
  // The client's certificates and its proof of the key: signatures to be checked, about as dear as
  // one to be made.
  if (handshake_ != nullptr && handshake_->context->client_trust() != nullptr)
    return Work::kSignEcdsa;
  // A client makes its share first, and then ends the exchange; in TLS 1.2 the server ends it in its second step.
  return client_ || wolfSSL_GetVersion(ssl_) == WOLFSSL_TLSV1_2 ? Work::kKeyExchange : Work::kLight;
}

// --- Data -----------------------------------------------------------------------------------------------------------

ReadResult Channel::Read(ByteView& cipher, MutableBytes plain, Buffer& out) {
  DCHECK(!plain.empty());
  if (state_ != State::kOpen) return {ReadStatus::kFailed};
  ChannelIo io(ssl_, nullptr, cipher, out, pending_);
  size_t bytes = 0;
  while (bytes < plain.size()) {
    const int result = wolfSSL_read(ssl_, plain.data() + bytes, static_cast<int>(plain.size() - bytes));
    if (result > 0) {
      bytes += static_cast<size_t>(result);
      continue;
    }
    const int error = wolfSSL_get_error(ssl_, result);
    if (error == WOLFSSL_ERROR_WANT_READ) {
      if (bytes == 0) return {ReadStatus::kWantRead};
    } else if (error == WOLFSSL_ERROR_ZERO_RETURN) {
      if (bytes == 0) return {ReadStatus::kClosed};
    } else {
      Fail(error);
      if (bytes == 0) return {ReadStatus::kFailed};
    }
    break;  // what was read before is good; the next call tells the rest
  }
  return {ReadStatus::kPlain, bytes};
}

bool Channel::writable() const {
  if (state_ == State::kOpen) return true;
  return state_ == State::kHandshake && handshake_ != nullptr && handshake_->flight_sent &&
         is_tls13();
}

bool Channel::Write(ByteView plain, Buffer& out) {
  if (!writable() || shut_down_) return false;
  ByteView nothing;
  ChannelIo io(ssl_, nullptr, nothing, out, pending_);
  while (!plain.empty()) {
    const int bytes = static_cast<int>(std::min<size_t>(plain.size(), INT32_MAX));
    const int result = wolfSSL_write(ssl_, plain.data(), bytes);
    if (result <= 0) {
      Fail(wolfSSL_get_error(ssl_, result));
      return false;
    }
    plain.remove_prefix(static_cast<size_t>(result));
  }
  return true;
}

void Channel::Shutdown(Buffer& out) {
  if (state_ != State::kOpen || shut_down_) return;
  shut_down_ = true;
  ByteView nothing;
  ChannelIo io(ssl_, nullptr, nothing, out, pending_);
  wolfSSL_shutdown(ssl_);  // its result speaks of the peer's half, which nobody waits for
}

void Channel::Discard() {
  const int16_t error = error_;
  *this = Channel();
  error_ = error;
}

// --- Facts ----------------------------------------------------------------------------------------------------------

size_t Channel::pending_bytes() const {
  if (ssl_ == nullptr) return handshake_ == nullptr ? 0 : handshake_->received.capacity();
  const int unread = state_ == State::kOpen ? wolfSSL_pending(ssl_) : 0;
  return pending_ + static_cast<size_t>(std::max(unread, 0));
}

bool Channel::is_tls13() const { return wolfSSL_GetVersion(ssl_) == WOLFSSL_TLSV1_3; }

const char* Channel::version() const {
  DCHECK(handshake_done());
  return is_tls13() ? "TLSv1.3" : "TLSv1.2";
}

const char* Channel::cipher() const {
  DCHECK(handshake_done());
  const int suite = wolfSSL_get_current_cipher_suite(ssl_);
  return wolfSSL_get_cipher_name_iana_from_suite(static_cast<byte>(suite >> 8), static_cast<byte>(suite));
}

bool Channel::resumed() const { return ssl_ != nullptr && wolfSSL_session_reused(ssl_) == 1; }

Session Channel::TakeSession() const {
  return client_ && handshake_done() ? Session(wolfSSL_get1_session(ssl_)) : Session();
}

std::string Channel::error_text() const {
  switch (error_) {
    case 0: return {};
    case kErrorHelloTooLong: return "ClientHello is too long";
    case kErrorNoMemory: return "out of memory";
    case kErrorBadName: return "peer's name is missing or unusable";
    case kErrorEarlyBytes: return "data before the handshake's end";
    default: return ErrorText(error_);
  }
}

}  // namespace sluice::tls
