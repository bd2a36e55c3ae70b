#include "tls/client_hello.h"

#include <optional>

namespace sluice::tls {
namespace {

constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kRecordBytesMax = 16 * 1024;
constexpr size_t kMessageHeaderBytes = 4;
constexpr unsigned char kHandshakeRecord = 22;
constexpr unsigned char kClientHelloMessage = 1;

enum Extension : uint16_t {
  kServerName = 0,
  kSupportedGroups = 10,
  kSignatureAlgorithms = 13,
  kExtendedMasterSecret = 23,
  kSupportedVersions = 43,
};

// Takes numbers and vectors from the front; once something is missing it stays failed and gives zeros.
class Reader {
 public:
  explicit Reader(ByteView rest) : rest_(rest) {}

  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }
  size_t size() const { return rest_.size(); }

  ByteView Take(size_t bytes) {
    if (rest_.size() < bytes) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const ByteView taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  uint32_t Number(size_t octets) {
    uint32_t value = 0;
    for (const char c : Take(octets)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  // A vector whose length stands before it in `length_octets` octets.
  ByteView Vector(size_t length_octets) { return Take(Number(length_octets)); }

 private:
  ByteView rest_;
  bool ok_ = true;
};

// The message and what is known of the way it came.
struct Message {
  ByteView body;        // without its header
  std::string spanned;  // holds it when it came in several records
};

// Finds the message in the records. Looks at headers only until the whole message is there, so that a client who
// sends single octets does not make us copy.
HelloStatus FindMessage(ByteView received, Message& message) {
  Reader records(received);
  size_t content = 0;            // octets of content in the records so far
  std::optional<size_t> wanted;  // octets of the message, its header with them
  char header[kMessageHeaderBytes];

  for (int record = 0;; record++) {
    if (records.empty()) return HelloStatus::kNeedMore;
    if (records.Number(1) != kHandshakeRecord) return HelloStatus::kMalformed;
    if (records.empty()) return HelloStatus::kNeedMore;
    if (records.Number(1) != 3) return HelloStatus::kMalformed;  // SSL 3.0's major version, for ever
    if (records.size() < kRecordHeaderBytes - 2) return HelloStatus::kNeedMore;
    records.Number(1);  // the minor version means nothing (RFC 8446 5.1)
    const size_t length = records.Number(2);
    if (length == 0 || length > kRecordBytesMax) return HelloStatus::kMalformed;
    const bool whole = records.size() >= length;
    const ByteView part = records.Take(whole ? length : records.size());

    for (size_t i = 0; content + i < kMessageHeaderBytes && i < part.size(); i++) header[content + i] = part[i];
    if (content == 0 && !part.empty() && part[0] != kClientHelloMessage) return HelloStatus::kMalformed;
    content += part.size();
    if (!wanted && content >= kMessageHeaderBytes) {
      wanted = kMessageHeaderBytes + Reader(ByteView(header + 1, 3)).Number(3);
      if (*wanted > kClientHelloBytesMax) return HelloStatus::kTooLong;
    }
    if (wanted && content >= *wanted) {
      if (record > 0) break;
      message.body = part.substr(kMessageHeaderBytes, *wanted - kMessageHeaderBytes);
      return HelloStatus::kComplete;
    }
    if (!whole) return HelloStatus::kNeedMore;
  }

  // Complete, over several records: walk them again and join their contents.
  Reader again(received);
  while (message.spanned.size() < *wanted) {
    again.Take(3);
    const size_t length = again.Number(2);
    const size_t missing = *wanted - message.spanned.size();
    message.spanned.append(again.Take(length < missing ? length : missing));
  }
  message.body = ByteView(message.spanned).substr(kMessageHeaderBytes);
  return HelloStatus::kComplete;
}

struct Offer {
  bool ecdsa_suite = false;  // one of ours for TLS 1.2
  bool rsa_suite = false;
  bool groups_listed = false;
  bool p256 = false;
  bool p384 = false;
  bool schemes_listed = false;
  bool any_ecdsa = false;          // with any hash, as TLS 1.2 reads it
  bool ecdsa_p256_sha256 = false;  // TLS 1.3 ties curve and hash
  bool ecdsa_p384_sha384 = false;
  bool rsa_pss = false;
  bool rsa_pkcs1 = false;
};

void ReadSuites(ByteView list, Offer& offer) {
  for (Reader suites(list); suites.size() >= 2;) {
    switch (suites.Number(2)) {
      case 0xc02b:  // ECDHE-ECDSA-AES128-GCM-SHA256
      case 0xc02c:  // ECDHE-ECDSA-AES256-GCM-SHA384
      case 0xcca9:  // ECDHE-ECDSA-CHACHA20-POLY1305
        offer.ecdsa_suite = true;
        break;
      case 0xc02f:  // ECDHE-RSA-AES128-GCM-SHA256
      case 0xc030:  // ECDHE-RSA-AES256-GCM-SHA384
      case 0xcca8:  // ECDHE-RSA-CHACHA20-POLY1305
        offer.rsa_suite = true;
        break;
    }
  }
}

void ReadSchemes(ByteView extension, Offer& offer) {
  offer.schemes_listed = true;
  for (Reader schemes(Reader(extension).Vector(2)); schemes.size() >= 2;) {
    const uint32_t scheme = schemes.Number(2);
    switch (scheme) {
      case 0x0403: offer.ecdsa_p256_sha256 = true; break;
      case 0x0503: offer.ecdsa_p384_sha384 = true; break;
      case 0x0804:  // rsa_pss_rsae with SHA-256, 384, 512
      case 0x0805:
      case 0x0806: offer.rsa_pss = true; break;
      case 0x0401:  // rsa_pkcs1 with SHA-256, 384, 512
      case 0x0501:
      case 0x0601: offer.rsa_pkcs1 = true; break;
    }
    if ((scheme & 0xff) == 3 && scheme >= 0x0403 && scheme <= 0x0603) offer.any_ecdsa = true;
  }
}

void ReadGroups(ByteView extension, Offer& offer) {
  offer.groups_listed = true;
  for (Reader groups(Reader(extension).Vector(2)); groups.size() >= 2;) {
    const uint32_t group = groups.Number(2);
    if (group == 23) offer.p256 = true;
    if (group == 24) offer.p384 = true;
  }
}

bool OffersTls13(ByteView extension) {
  for (Reader versions(Reader(extension).Vector(1)); versions.size() >= 2;) {
    if (versions.Number(2) == 0x0304) return true;
  }
  return false;
}

// RFC 6066 section 3. What cannot be a DNS name is as good as no name.
std::string ReadServerName(ByteView extension) {
  for (Reader names(Reader(extension).Vector(2)); names.ok() && !names.empty();) {
    const uint32_t type = names.Number(1);
    ByteView name = names.Vector(2);
    if (type != 0) continue;
    if (!name.empty() && name.back() == '.') name.remove_suffix(1);
    if (name.size() > 253) return {};
    std::string lower;
    for (const char c : name) {
      if (!IsAsciiAlnum(c) && c != '-' && c != '.' && c != '_') return {};
      lower.push_back(AsciiLower(c));
    }
    return lower;
  }
  return {};
}

void Conclude(const Offer& offer, ClientHello& hello) {
  hello.keys13 = {.ecdsa_p256 = offer.ecdsa_p256_sha256,
                  .ecdsa_p384 = offer.ecdsa_p384_sha384,
                  .rsa = offer.rsa_pss};
  // A list that is absent restricts nothing (RFC 5246 7.4.1.4.1, RFC 8422 section 4). The curves listed bind the
  // certificate's key too (RFC 8422 5.1).
  const bool ecdsa = offer.ecdsa_suite && (!offer.schemes_listed || offer.any_ecdsa);
  hello.keys12 = {.ecdsa_p256 = ecdsa && (!offer.groups_listed || offer.p256),
                  .ecdsa_p384 = ecdsa && (!offer.groups_listed || offer.p384),
                  .rsa = offer.rsa_suite && (!offer.schemes_listed || offer.rsa_pkcs1 || offer.rsa_pss)};
}

}  // namespace

HelloStatus ParseClientHello(ByteView received, ClientHello& hello) {
  Message message;
  const HelloStatus found = FindMessage(received.substr(0, kClientHelloBytesMax), message);
  if (found == HelloStatus::kNeedMore && received.size() >= kClientHelloBytesMax) return HelloStatus::kTooLong;
  if (found != HelloStatus::kComplete) return found;

  hello = ClientHello();
  Offer offer;
  Reader body(message.body);
  body.Take(2 + 32);  // legacy_version, random
  body.Vector(1);     // session id
  ReadSuites(body.Vector(2), offer);
  body.Vector(1);  // compression methods
  if (!body.ok()) return HelloStatus::kMalformed;

  if (!body.empty()) {  // TLS 1.2 clients may have no extensions
    Reader extensions(body.Vector(2));
    while (extensions.ok() && !extensions.empty()) {
      const uint32_t type = extensions.Number(2);
      const ByteView content = extensions.Vector(2);
      switch (type) {
        case kServerName: hello.server_name = ReadServerName(content); break;
        case kSupportedGroups: ReadGroups(content, offer); break;
        case kSignatureAlgorithms: ReadSchemes(content, offer); break;
        case kExtendedMasterSecret: hello.extended_master_secret = true; break;
        case kSupportedVersions: hello.tls13 = OffersTls13(content); break;
      }
    }
    if (!body.ok() || !extensions.ok()) return HelloStatus::kMalformed;
  }
  Conclude(offer, hello);
  return HelloStatus::kComplete;
}

}  // namespace sluice::tls
