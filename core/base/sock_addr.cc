#include "core/base/sock_addr.h"

#include <cstring>

#include <arpa/inet.h>

#include <charconv>

namespace sluice {

SockAddr::SockAddr(const sockaddr* from) : v6{} {
  if (from->sa_family == AF_INET) std::memcpy(&v4, from, sizeof v4);
  if (from->sa_family == AF_INET6) std::memcpy(&v6, from, sizeof v6);
}

// An IPv4 address by hand, since inet_ntop goes through printf.
ByteView SockAddr::PrintIp(char (&text)[INET6_ADDRSTRLEN]) const {
  if (family() == AF_INET6) return inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  if (family() != AF_INET) return "unknown";
  size_t length = 0;
  const uint32_t octets = ntohl(v4.sin_addr.s_addr);
  for (int shift = 24; shift >= 0; shift -= 8) {
    const uint32_t octet = octets >> shift & 255;
    if (octet >= 100) text[length++] = static_cast<char>('0' + octet / 100);
    if (octet >= 10) text[length++] = static_cast<char>('0' + octet / 10 % 10);
    text[length++] = static_cast<char>('0' + octet % 10);
    if (shift > 0) text[length++] = '.';
  }
  return ByteView(text, length);
}

std::string SockAddr::ip() const {
  char text[INET6_ADDRSTRLEN];
  return std::string(PrintIp(text));
}

std::string SockAddr::ToString() const {
  if (family() == AF_INET6) return "[" + ip() + "]:" + std::to_string(port());
  return ip() + ":" + std::to_string(port());
}

std::optional<SockAddr> SockAddr::Parse(ByteView text) {
  const size_t colon = text.rfind(':');
  if (colon == ByteView::npos) return std::nullopt;
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || stop != end) return std::nullopt;

  std::string host(text.substr(0, colon));
  SockAddr address;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &address.v6.sin6_addr) != 1) return std::nullopt;
    address.v6.sin6_family = AF_INET6;
  } else {
    if (inet_pton(AF_INET, host.c_str(), &address.v4.sin_addr) != 1) return std::nullopt;
    address.v4.sin_family = AF_INET;
  }
  address.set_port(port);
  return address;
}

std::optional<SockAddr> SockAddr::ParseIp(ByteView text) {
  const bool v6 = text.find(':') != ByteView::npos;
  const std::string ip(text);
  return Parse(v6 ? "[" + ip + "]:0" : ip + ":0");
}

bool SockAddr::SameHost(const SockAddr& other) const {
  if (family() != other.family()) return false;
  if (family() == AF_INET) return v4.sin_addr.s_addr == other.v4.sin_addr.s_addr;
  return std::memcmp(&v6.sin6_addr, &other.v6.sin6_addr, sizeof v6.sin6_addr) == 0;
}

}  // namespace sluice
