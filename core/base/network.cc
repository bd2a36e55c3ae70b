#include "core/base/network.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "core/base/check.h"

namespace sluice {
namespace {

constexpr unsigned char kV4InV6[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// The octets of an address, IPv4 where it is that; how many.
size_t OctetsOf(const SockAddr& address, std::array<unsigned char, 16>& out) {
  if (address.family() == AF_INET) {
    std::memcpy(out.data(), &address.v4.sin_addr, 4);
    return 4;
  }
  const unsigned char* const v6 = address.v6.sin6_addr.s6_addr;
  if (std::memcmp(v6, kV4InV6, sizeof kV4InV6) == 0) {
    std::memcpy(out.data(), v6 + sizeof kV4InV6, 4);
    return 4;
  }
  std::memcpy(out.data(), v6, 16);
  return 16;
}

}  // namespace

void Network::Mask() {
  for (unsigned i = 0; i < bytes_.size(); i++) {
    const unsigned kept = bits_ > 8 * i ? std::min(bits_ - 8 * i, 8u) : 0;
    bytes_[i] = static_cast<unsigned char>(bytes_[i] & (0xff00u >> kept));
  }
}

std::optional<Network> Network::Parse(ByteView text) {
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  Network network;
  network.any_ = true;
  network.v6_ = address.find(':') != std::string::npos;
  if (address.find('\0') != std::string::npos ||
      inet_pton(network.v6_ ? AF_INET6 : AF_INET, address.c_str(), network.bytes_.data()) != 1) {
    return std::nullopt;
  }
  const unsigned bits_max = network.v6_ ? 128 : 32;
  unsigned bits = bits_max;
  if (slash != ByteView::npos) {
    const ByteView digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits > bits_max) {
      return std::nullopt;
    }
  }
  network.bits_ = static_cast<uint8_t>(bits);
  const auto as_written = network.bytes_;
  network.Mask();
  if (network.bytes_ != as_written) return std::nullopt;
  return network;
}

Network Network::Of(const SockAddr& address, unsigned v4_bits, unsigned v6_bits) {
  CHECK(address.known() && v4_bits <= 32 && v6_bits <= 128);
  Network network;
  network.any_ = true;
  network.v6_ = OctetsOf(address, network.bytes_) == 16;
  network.bits_ = static_cast<uint8_t>(network.v6_ ? v6_bits : v4_bits);
  network.Mask();
  return network;
}

bool Network::Contains(const SockAddr& address) const {
  return any_ && address.known() && Of(address, v6_ ? 0 : bits_, v6_ ? bits_ : 0) == *this;
}

bool Network::IsIn(const Network& outer) const {
  if (!any_ || !outer.any_ || v6_ != outer.v6_ || bits_ < outer.bits_) return false;
  Network wider = *this;
  wider.bits_ = outer.bits_;
  wider.Mask();
  return wider == outer;
}

std::string Network::ToString() const {
  char text[INET6_ADDRSTRLEN];
  CHECK(inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof text) != nullptr);
  std::string out = text;
  if (bits_ < (v6_ ? 128 : 32)) out += "/" + std::to_string(bits_);
  return out;
}

}  // namespace sluice
