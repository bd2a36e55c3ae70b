#include "tools/load/arguments.h"

#include <charconv>
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

Duration ParseDuration(const std::string& option, const std::string& text) {
  constexpr std::pair<const char*, double> kUnits[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1},
                                                       {"", 1},      {"m", 60},    {"h", 3600}};
  double count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  for (const auto& [unit, seconds] : kUnits) {
    if (error == std::errc() && count >= 0 && count < 1e9 && ByteView(end) == unit) {
      return ParseSeconds(count * seconds);
    }
  }
  Refuse(option + ": '" + text + "' is no time: 50ms, 10s, 2m, 1h");
}

}  // namespace sluice::load
