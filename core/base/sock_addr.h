// SockAddr: an IPv4 or IPv6 address with a port, as the kernel takes it, parsed from and printed as
// "127.0.0.1:1587" and "[::1]:1587".
#ifndef SLUICE_CORE_BASE_SOCK_ADDR_H_
#define SLUICE_CORE_BASE_SOCK_ADDR_H_

#include <netinet/in.h>

#include <optional>
#include <string>

#include "core/base/bytes.h"

namespace sluice {

struct SockAddr {
  union {
    sockaddr generic;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };

  SockAddr() : v6{} {}
  explicit SockAddr(const sockaddr* from);

  sa_family_t family() const { return generic.sa_family; }
  socklen_t bytes() const {
    return family() == AF_INET6 ? sizeof(sockaddr_in6) : static_cast<socklen_t>(sizeof(sockaddr_in));
  }
  uint16_t port() const { return ntohs(family() == AF_INET6 ? v6.sin6_port : v4.sin_port); }
  void set_port(uint16_t port) { (family() == AF_INET6 ? v6.sin6_port : v4.sin_port) = htons(port); }
  bool SameHost(const SockAddr& other) const;  // whatever the ports
  bool known() const { return family() != AF_UNSPEC; }

  // "192.0.2.1" or "2001:db8::1", in `text`.
  ByteView PrintIp(char (&text)[INET6_ADDRSTRLEN]) const;
  std::string ip() const;        // the same
  std::string ToString() const;  // with the port

  // Numeric addresses only; a name is not looked up. nullopt when `text` is neither form or has no port.
  static std::optional<SockAddr> Parse(ByteView text);
  // The same without a port, which is 0 then: "192.0.2.1", "2001:db8::1".
  static std::optional<SockAddr> ParseIp(ByteView text);
};

static_assert(sizeof(SockAddr) == 28);

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_SOCK_ADDR_H_
