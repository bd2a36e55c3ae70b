// What the parts of the command line share: refusals, and the forms of values that CLI11 lacks.
#ifndef SLUICE_TOOLS_LOAD_ARGUMENTS_H_
#define SLUICE_TOOLS_LOAD_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"

namespace sluice::load {

// Ends the parsing; what is wrong is printed, and the exit code is that of a wrong command line.
[[noreturn]] inline void Refuse(const std::string& why) { throw CLI::ValidationError(why); }

std::string ReadFile(const std::string& file);  // refuses when it cannot
std::vector<SockAddr> ParseAddresses(const std::vector<std::string>& texts);

// "50ms", "10s", "2m", "1.5h", or seconds alone. Refuses what is none, and says which option it
// was.
Duration ParseDuration(const std::string& option, const std::string& text);
inline Duration ParseSeconds(double count) { return Duration(static_cast<int64_t>(count * 1e9)); }

// An option that takes one of a few words, in any case of letters.
template <typename T, typename Value>
void AddChoice(CLI::App& app, const std::string& name, Value& value,
               const std::vector<std::pair<std::string, T>>& words, const std::string& help) {
  std::vector<std::string> names;
  for (const auto& [word, meaning] : words) names.push_back(word);
  const auto take = [&value, words](const std::string& given) {
    for (const auto& [word, meaning] : words) {
      if (EqualsIgnoreCase(given, word)) value = meaning;
    }
  };
  app.add_option_function<std::string>(name, take, help)
      ->check(CLI::IsMember(names, CLI::ignore_case));
}

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_ARGUMENTS_H_
