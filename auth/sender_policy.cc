#include "auth/sender_policy.h"

#include <arpa/inet.h>

#include <algorithm>

#include "auth/prepare.h"
#include "core/base/check.h"

namespace sluice::auth {
namespace {

bool IsAscii(ByteView text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// A canonical address or domain in the making, on the stack: MAIL FROM, which is ASCII, is checked
// without the heap.
class Canonical {
 public:
  bool AddAddress(ByteView address) {
    const bool quoted = !address.empty() && address[0] == '"';
    const size_t local = quoted ? AddQuoted(address) : AddAtoms(address);
    if (local == 0 || size_ == 0 || !FoldLocal()) return false;
    if (local >= address.size() || address[local] != '@' || !Add('@')) return false;
    return AddDomain(address.substr(local + 1));
  }

  bool AddDomain(ByteView domain) {
    if (domain.empty()) return false;
    if (domain[0] == '[') return AddLiteral(domain);
    if (!IsAscii(domain)) {
      const std::optional<std::string> ascii = DomainToAscii(domain);
      return ascii.has_value() && AddDomain(*ascii);
    }
    for (const char c : domain) {
      if (IsSpecial(c) || !Add(AsciiLower(c))) return false;
    }
    return true;
  }

  // Takes what begins with the delimiter out of the local part; false, with nothing changed, when
  // there is none, or nothing before it.
  bool DropDetail(char delimiter) {
    const size_t at = view().rfind('@');
    const size_t from = delimiter == 0 ? ByteView::npos : view().find(delimiter);
    if (from == 0 || from >= at) return false;
    std::copy(bytes_ + at, bytes_ + size_, bytes_ + from);
    size_ -= at - from;
    return true;
  }

  ByteView view() const { return ByteView(bytes_, size_); }

  // RFC 5321 section 4.1.2: what neither an atom nor a domain may have.
  static bool IsSpecial(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet <= 0x20 || octet == 0x7f || ByteView("()<>[]:;@\\,\"").find(c) != ByteView::npos;
  }

 private:
  // Both return the octets of `address` that the local part took, or 0.
  size_t AddAtoms(ByteView address) {
    size_t i = 0;
    for (; i < address.size() && address[i] != '@'; i++) {
      if (IsSpecial(address[i]) || !Add(AsciiLower(address[i]))) return 0;
    }
    return i;
  }

  size_t AddQuoted(ByteView address) {
    for (size_t i = 1; i < address.size(); i++) {
      if (address[i] == '"') return i + 1;
      if (address[i] == '\\' && ++i == address.size()) return 0;
      const auto octet = static_cast<unsigned char>(address[i]);
      if (octet < 0x20 || octet == 0x7f || !Add(AsciiLower(address[i]))) return 0;
    }
    return 0;
  }

  // Of the local part, which is all there is yet.
  bool FoldLocal() {
    if (IsAscii(view())) return true;
    const std::optional<std::string> folded = FoldLocalPart(view());
    size_ = 0;
    return folded.has_value() && Add(ByteView(*folded));
  }

  bool AddLiteral(ByteView literal) {
    if (literal.back() != ']') return false;
    ByteView inside = literal.substr(1, literal.size() - 2);
    constexpr ByteView kTag = "IPv6:";
    const bool v6 = StartsWithIgnoreCase(inside, kTag);
    if (v6) inside.remove_prefix(kTag.size());
    char text[INET6_ADDRSTRLEN];  // inet_pton wants a NUL
    if (inside.size() >= sizeof text || inside.find('\0') != ByteView::npos) return false;
    inside.copy(text, inside.size());
    text[inside.size()] = '\0';
    const int family = v6 ? AF_INET6 : AF_INET;
    unsigned char binary[sizeof(in6_addr)];
    if (inet_pton(family, text, binary) != 1) return false;
    CHECK(inet_ntop(family, binary, text, sizeof text) != nullptr);
    return Add(v6 ? "[ipv6:" : "[") && Add(ByteView(text)) && Add(']');
  }

  bool Add(char c) {
    if (size_ == sizeof bytes_) return false;
    bytes_[size_++] = c;
    return true;
  }
  bool Add(ByteView text) {
    for (const char c : text) {
      if (!Add(c)) return false;
    }
    return true;
  }

  char bytes_[kAddressBytesMax];
  size_t size_ = 0;
};

}  // namespace

std::optional<std::string> CanonicalAddress(ByteView address) {
  Canonical canonical;
  if (!canonical.AddAddress(address)) return std::nullopt;
  return std::string(canonical.view());
}

std::optional<std::string> CanonicalDomain(ByteView domain) {
  Canonical canonical;
  if (!canonical.AddDomain(domain)) return std::nullopt;
  return std::string(canonical.view());
}

std::string PrintAddress(ByteView canonical) {
  const size_t at = canonical.rfind('@');
  const ByteView local = canonical.substr(0, at);
  const bool dots =
      local.starts_with('.') || local.ends_with('.') || local.find("..") != local.npos;
  if (!dots && std::none_of(local.begin(), local.end(), Canonical::IsSpecial))
    return std::string(canonical);
  std::string printed = "\"";
  for (const char c : local) {
    if (c == '"' || c == '\\') printed += '\\';
    printed += c;
  }
  printed += '"';
  printed += canonical.substr(at);
  return printed;
}

SenderPolicy::SenderPolicy(ByteView login, const CredentialRecord& record, char detail_delimiter)
    : detail_delimiter_(detail_delimiter), null_sender_(!record.null_sender_forbidden) {
  for (const std::string& address : record.addresses) grants_.Add(address);
  for (const std::string& domain : record.domains) grants_.Add('@' + domain);
  if (record.addresses.empty() && record.domains.empty()) {
    Canonical own;
    if (own.AddAddress(login)) grants_.Add(own.view());
  }
}

bool SenderPolicy::Allows(ByteView sender) const {
  if (sender.empty()) return null_sender_;
  Canonical canonical;
  if (!canonical.AddAddress(sender)) return false;
  return grants_.Has(canonical.view()) ||
         (canonical.DropDetail(detail_delimiter_) && grants_.Has(canonical.view()));
}

}  // namespace sluice::auth
