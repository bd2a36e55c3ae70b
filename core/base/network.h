// Network: a block of IP addresses, "192.0.2.0/24", "2001:db8::/32" or one address alone.
#ifndef SLUICE_CORE_BASE_NETWORK_H_
#define SLUICE_CORE_BASE_NETWORK_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/sock_addr.h"

namespace sluice {

class Network {
 public:
  Network() = default;  // no address is in it

  // nullopt: no block, or one whose address has bits beyond its prefix ("192.0.2.1/24"), which is
  // mostly a slip.
  static std::optional<Network> Parse(ByteView text);
  // The block of `bits` to which `address` belongs; an IPv4 address in IPv6's form is IPv4.
  // REQUIRES: address.known(), and at most 32 or 128 bits.
  static Network Of(const SockAddr& address, unsigned v4_bits, unsigned v6_bits);

  bool Contains(const SockAddr& address) const;
  bool IsIn(const Network& outer) const;  // every address of it; one that has none is in none
  std::string ToString() const;
  // The significant octets, and how long the prefix is: a name for it.
  ByteView bytes() const {
    return ByteView(reinterpret_cast<const char*>(bytes_.data()), v6_ ? 16 : 4);
  }
  unsigned bits() const { return bits_; }
  bool operator==(const Network&) const = default;

 private:
  void Mask();

  std::array<unsigned char, 16> bytes_{};
  uint8_t bits_ = 0;
  bool v6_ = false;
  bool any_ = false;
};

}  // namespace sluice

#endif  // SLUICE_CORE_BASE_NETWORK_H_
