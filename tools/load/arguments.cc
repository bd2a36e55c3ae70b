#include "tools/load/arguments.h"

#include <fstream>
#include <sstream>

namespace sluice::load {

std::string ReadFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) Refuse("cannot read " + file);
  return text.str();
}

std::vector<SockAddr> ParseAddresses(const std::vector<std::string>& texts) {
  std::vector<SockAddr> addresses;
  for (const std::string& text : texts) {
    const auto address = SockAddr::Parse(text);
    if (!address.has_value()) Refuse("'" + text + "' is no address: 127.0.0.1:1587 or [::1]:1587");
    addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace sluice::load
