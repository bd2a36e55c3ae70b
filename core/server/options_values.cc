#include "core/server/options_values.h"

#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/server/tuning.h"

namespace sluice::server {
namespace {

std::string Quoted(std::string_view text) { return absl::StrCat("\"", text, "\""); }

std::string QuotedArray(const std::vector<std::string>& words) {
  std::string out = "[";
  for (const std::string& word : words)
    absl::StrAppend(&out, out.size() > 1 ? ", " : "", Quoted(word));
  return out + "]";
}

std::string TypeOf(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::table:
      return "a table";
    case toml::node_type::none:
      return "nothing";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      break;
  }
  return "a date";
}

ValueProblem WrongType(const toml::node& node, std::string_view expected) {
  return {&node, absl::StrCat("is ", TypeOf(node), ", expected ", expected)};
}

ValueProblem Wrong(const toml::node& node, std::string_view found, std::string_view expected) {
  return {&node, absl::StrCat(Quoted(found), " is not understood, expected ", expected)};
}

constexpr int64_t kCoresMax = 1024;  // CPU_SETSIZE
constexpr std::string_view kExpectDuration = "a duration such as \"500ms\", \"5m\" or \"1h30m\"";
constexpr std::string_view kExpectBytes = "a number of octets such as 65536 or \"64K\" (K, M, G)";
constexpr std::string_view kExpectAddress =
    "a numeric address with port such as \"127.0.0.1:1587\" or \"[::1]:1587\"";

struct Unit {
  std::string_view name;
  int64_t size;
};

// Largest first; "ms" and "us" are looked for before "m".
constexpr Unit kDurationUnits[] = {
    {"d", 86'400'000'000'000}, {"h", 3'600'000'000'000}, {"ms", 1'000'000}, {"us", 1'000},
    {"m", 60'000'000'000},     {"s", 1'000'000'000},
};
constexpr Unit kDurationUnitsShown[] = {
    {"d", 86'400'000'000'000}, {"h", 3'600'000'000'000}, {"m", 60'000'000'000},
    {"s", 1'000'000'000},      {"ms", 1'000'000},        {"us", 1'000},
};
constexpr Unit kByteUnits[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}};
constexpr int64_t kDurationMax = int64_t{100} * 365 * 86'400'000'000'000;

// Takes a decimal number off the front; false when there is none, or it does not fit.
bool TakeNumber(std::string_view* text, int64_t* number) {
  if (text->empty() || !IsAsciiDigit(text->front())) return false;
  const auto [stop, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(stop - text->data()));
  return true;
}

// Insertions, deletions, replacements and swaps of neighbours; case does not count.
size_t EditDistance(std::string_view a, std::string_view b) {
  const size_t columns = b.size() + 1;
  std::vector<size_t> table((a.size() + 1) * columns);
  const auto at = [&](size_t i, size_t j) -> size_t& { return table[i * columns + j]; };
  const auto same = [&](size_t i, size_t j) {
    return AsciiLower(a[i - 1]) == AsciiLower(b[j - 1]);
  };
  for (size_t i = 0; i <= a.size(); i++) {
    for (size_t j = 0; j <= b.size(); j++) {
      if (i == 0 || j == 0) {
        at(i, j) = i + j;
        continue;
      }
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + !same(i, j)});
      if (i > 1 && j > 1 && same(i, j - 1) && same(i - 1, j)) {
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
      }
    }
  }
  return at(a.size(), b.size());
}

}  // namespace

std::string TomlString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppend(&out, "\\u", absl::Hex(c, absl::kZeroPad4));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::optional<Duration> ParseDuration(std::string_view text) {
  int64_t total = 0;
  do {
    int64_t number = 0;
    if (!TakeNumber(&text, &number)) return std::nullopt;
    const auto unit = std::find_if(std::begin(kDurationUnits), std::end(kDurationUnits),
                                   [&](const Unit& u) { return text.starts_with(u.name); });
    if (unit == std::end(kDurationUnits)) return std::nullopt;
    text.remove_prefix(unit->name.size());
    if (number > (kDurationMax - total) / unit->size) return std::nullopt;
    total += number * unit->size;
  } while (!text.empty());
  return Duration(total);
}

std::string FormatDuration(Duration duration) {
  DCHECK(duration >= Duration::zero());
  if (duration == Duration::zero()) return "0s";
  std::string out;
  int64_t left = duration.count();
  for (const Unit& unit : kDurationUnitsShown) {
    if (left >= unit.size) absl::StrAppend(&out, left / unit.size, unit.name);
    left %= unit.size;
  }
  return out;
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  int64_t number = 0;
  if (!TakeNumber(&text, &number)) return std::nullopt;
  if (text.empty()) return static_cast<uint64_t>(number);
  for (const Unit& unit : kByteUnits) {
    if (text != unit.name) continue;
    if (number > std::numeric_limits<int64_t>::max() / unit.size) return std::nullopt;
    return static_cast<uint64_t>(number * unit.size);
  }
  return std::nullopt;
}

std::string FormatBytes(uint64_t bytes) {
  for (const Unit& unit : kByteUnits) {
    const auto size = static_cast<uint64_t>(unit.size);
    if (bytes != 0 && bytes % size == 0) return absl::StrCat(bytes / size, unit.name);
  }
  return absl::StrCat(bytes);
}

std::string_view Nearest(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const size_t distance = EditDistance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string QuotedList(std::span<const std::string_view> words) {
  std::string out;
  for (size_t i = 0; i < words.size(); i++) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += Quoted(words[i]);
  }
  return out;
}

std::optional<ValueProblem> Text::Read(const toml::node& node, std::string_view) {
  const auto text = node.value_exact<std::string>();
  if (!text) return WrongType(node, "text in quotes");
  if (text->empty()) return ValueProblem{&node, "is empty, expected text (or leave the key out)"};
  *field_ = *text;
  return std::nullopt;
}

std::string Text::Show() const { return field_->empty() ? "" : TomlString(*field_); }

std::optional<ValueProblem> Flag::Read(const toml::node& node, std::string_view) {
  const auto flag = node.value_exact<bool>();
  if (!flag) return WrongType(node, "true or false");
  *field_ = *flag;
  return std::nullopt;
}

std::optional<ValueProblem> Path::Read(const toml::node& node, std::string_view folder) {
  if (auto problem = Text::Read(node, folder)) return problem;
  *field_ = (std::filesystem::path(folder) / *field_).lexically_normal().string();
  return std::nullopt;
}

std::optional<ValueProblem> Socket::Read(const toml::node& node, std::string_view folder) {
  constexpr std::string_view kExpected =
      "the path of a UNIX socket such as \"/run/dovecot/auth-client\", or a numeric address with "
      "port";
  if (auto problem = Text::Read(node, folder)) return problem;
  if (SockAddr::Parse(*field_).has_value()) return std::nullopt;
  if (field_->find('/') == std::string::npos && field_->find(':') != std::string::npos) {
    return Wrong(node, *field_, kExpected);  // a name with a port: names are not looked up
  }
  std::string path = (std::filesystem::path(folder) / *field_).lexically_normal().string();
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return ValueProblem{
        &node, absl::StrCat("is ", path.size(), " octets long with its folder, expected at most ",
                            sizeof(sockaddr_un::sun_path) - 1, ", as the kernel takes it")};
  }
  *field_ = std::move(path);
  return std::nullopt;
}

std::optional<ValueProblem> Count::Read(const toml::node& node, std::string_view) {
  const std::string expected = absl::StrCat("a number from ", min_, " to ", max_);
  const auto number = node.value_exact<int64_t>();
  if (!number) return WrongType(node, expected);
  if (*number < int64_t{min_} || *number > int64_t{max_}) {
    return ValueProblem{&node, absl::StrCat(*number, " is out of range, expected ", expected)};
  }
  *field_ = static_cast<uint32_t>(*number);
  return std::nullopt;
}

std::string Count::Show() const { return absl::StrCat(*field_); }

std::optional<ValueProblem> Bytes::Read(const toml::node& node, std::string_view) {
  std::optional<uint64_t> bytes;
  if (const auto number = node.value_exact<int64_t>()) {
    if (*number >= 0) bytes = static_cast<uint64_t>(*number);
    if (!bytes)
      return ValueProblem{&node, absl::StrCat(*number, " is negative, expected ", kExpectBytes)};
  } else if (const auto text = node.value_exact<std::string>()) {
    bytes = ParseBytes(*text);
    if (!bytes) return Wrong(node, *text, kExpectBytes);
  } else {
    return WrongType(node, kExpectBytes);
  }
  if (*bytes < min_ || *bytes > max_) {
    return ValueProblem{&node, absl::StrCat(FormatBytes(*bytes), " is out of range, expected ",
                                            FormatBytes(min_), " to ", FormatBytes(max_))};
  }
  *field_ = *bytes;
  return std::nullopt;
}

std::string Bytes::Show() const {
  const std::string text = FormatBytes(*field_);
  return IsAsciiDigit(text.back()) ? text : Quoted(text);
}

std::optional<ValueProblem> Span::Read(const toml::node& node, std::string_view) {
  const auto text = node.value_exact<std::string>();
  if (!text) return WrongType(node, kExpectDuration);
  const std::optional<Duration> duration = ParseDuration(*text);
  if (!duration) return Wrong(node, *text, kExpectDuration);
  if (*duration < min_ || *duration > max_) {
    return ValueProblem{
        &node, absl::StrCat(Quoted(*text), " is out of range, expected ",
                            Quoted(FormatDuration(min_)), " to ", Quoted(FormatDuration(max_)))};
  }
  *field_ = *duration;
  return std::nullopt;
}

std::string Span::Show() const { return Quoted(FormatDuration(*field_)); }

std::optional<ValueProblem> Core::Read(const toml::node& node, std::string_view) {
  constexpr std::string_view kExpected = "the number of a core, \"auto\" or \"any\"";
  if (const auto number = node.value_exact<int64_t>()) {
    if (*number < 0 || *number >= kCoresMax) {
      return ValueProblem{&node, absl::StrCat(*number, " is out of range, expected ", kExpected)};
    }
    *field_ = static_cast<int32_t>(*number);
    return std::nullopt;
  }
  const auto word = node.value_exact<std::string>();
  if (!word) return WrongType(node, kExpected);
  if (*word != "auto" && *word != "any") return Wrong(node, *word, kExpected);
  *field_ = *word == "auto" ? kCoreAuto : kCoreAny;
  return std::nullopt;
}

std::string Core::Show() const {
  if (*field_ >= 0) return absl::StrCat(*field_);
  return *field_ == kCoreAuto ? "\"auto\"" : "\"any\"";
}

std::optional<ValueProblem> Address::Read(const toml::node& node, std::string_view) {
  const auto text = node.value_exact<std::string>();
  if (!text) return WrongType(node, kExpectAddress);
  const std::optional<SockAddr> address = SockAddr::Parse(*text);
  if (!address) return Wrong(node, *text, kExpectAddress);
  *field_ = *address;
  return std::nullopt;
}

std::string Address::Show() const { return field_->known() ? Quoted(field_->ToString()) : ""; }

std::optional<ValueProblem> WordIndex::Read(const toml::node& node, std::string_view) {
  const std::string expected = QuotedList(words_);
  const auto text = node.value_exact<std::string>();
  if (!text) return WrongType(node, expected);
  const auto found = std::find(words_.begin(), words_.end(), *text);
  if (found == words_.end()) return Wrong(node, *text, expected);
  Set(static_cast<size_t>(found - words_.begin()));
  return std::nullopt;
}

std::string WordIndex::Show() const { return Quoted(words_[Get()]); }

std::optional<ValueProblem> Words::Read(const toml::node& node, std::string_view) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return WrongType(node, absl::StrCat("a list of ", noun_, " names"));
  std::vector<std::string> words;
  for (const toml::node& element : *list) {
    const auto word = element.value_exact<std::string>();
    if (!word) return WrongType(element, absl::StrCat("a ", noun_, " name"));
    if (std::find(known_.begin(), known_.end(), *word) == known_.end()) {
      return ValueProblem{&element, absl::StrCat(Quoted(*word), " is not a known ", noun_,
                                                 ", expected ", QuotedList(known_))};
    }
    if (std::find(words.begin(), words.end(), *word) != words.end()) {
      return ValueProblem{&element,
                          absl::StrCat(Quoted(*word), " stands there twice, expected once")};
    }
    words.push_back(*word);
  }
  *field_ = std::move(words);
  return std::nullopt;
}

std::string Words::Show() const { return QuotedArray(*field_); }

std::optional<ValueProblem> Names::Read(const toml::node& node, std::string_view) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return WrongType(node, "a list of names");
  std::vector<std::string> names;
  for (const toml::node& element : *list) {
    const auto name = element.value_exact<std::string>();
    if (!name) return WrongType(element, "a name");
    if (name->empty()) return ValueProblem{&element, "is empty, expected a name"};
    names.push_back(*name);
  }
  *field_ = std::move(names);
  return std::nullopt;
}

std::string Names::Show() const { return QuotedArray(*field_); }

std::optional<ValueProblem> Rates::Read(const toml::node& node, std::string_view) {
  constexpr std::string_view kExpected =
      "a number, messages, recipients or bytes, and minute, hour or day: \"100 messages/minute\"";
  const toml::array* list = node.as_array();
  if (list == nullptr)
    return WrongType(node, "a list such as [\"100 messages/minute\", \"2G bytes/day\"]");
  std::vector<auth::RateLimit> rates;
  for (const toml::node& element : *list) {
    const auto text = element.value_exact<std::string>();
    if (!text) return WrongType(element, kExpected);
    const std::optional<auth::RateLimit> rate = auth::ParseRateLimit(*text);
    if (!rate) return Wrong(element, *text, kExpected);
    for (const auth::RateLimit& other : rates) {
      if (!other.SameKind(*rate)) continue;
      return ValueProblem{&element,
                          absl::StrCat(Quoted(*text), " is of the kind of ",
                                       Quoted(auth::ToString(other)), ", expected one of a kind")};
    }
    rates.push_back(*rate);
  }
  *field_ = std::move(rates);
  return std::nullopt;
}

std::string Rates::Show() const {
  std::vector<std::string> texts;
  for (const auth::RateLimit& rate : *field_) texts.push_back(auth::ToString(rate));
  return QuotedArray(texts);
}

std::optional<ValueProblem> Networks::Read(const toml::node& node, std::string_view) {
  constexpr std::string_view kExpected =
      "a block of addresses without bits beyond its prefix, such as \"10.1.0.0/16\" or "
      "\"2001:db8::/32\"";
  const toml::array* list = node.as_array();
  if (list == nullptr) return WrongType(node, "a list such as [\"10.1.0.0/16\"]");
  std::vector<Network> networks;
  for (const toml::node& element : *list) {
    const auto text = element.value_exact<std::string>();
    if (!text) return WrongType(element, kExpected);
    const std::optional<Network> network = Network::Parse(*text);
    if (!network) return Wrong(element, *text, kExpected);
    networks.push_back(*network);
  }
  *field_ = std::move(networks);
  return std::nullopt;
}

std::string Networks::Show() const {
  std::vector<std::string> texts;
  for (const Network& network : *field_) texts.push_back(network.ToString());
  return QuotedArray(texts);
}

std::optional<ValueProblem> NextHops::Read(const toml::node& node, std::string_view) {
  const toml::array* list = node.as_array();
  if (list == nullptr)
    return WrongType(node, discard_ == nullptr
                               ? "a list such as [\"127.0.0.1:2525\"]"
                               : "a list such as [\"127.0.0.1:2525\"] or [\"discard\"]");
  std::vector<SockAddr> hops;
  for (const toml::node& element : *list) {
    const auto text = element.value_exact<std::string>();
    if (!text) return WrongType(element, kExpectAddress);
    if (*text == "discard" && discard_ != nullptr) {
      if (list->size() > 1)
        return ValueProblem{&element, "\"discard\" stands with others, expected alone"};
      *discard_ = true;
      continue;
    }
    const std::optional<SockAddr> address = SockAddr::Parse(*text);
    if (!address || address->port() == 0) return Wrong(element, *text, kExpectAddress);
    hops.push_back(*address);
  }
  *hops_ = std::move(hops);
  return std::nullopt;
}

std::string NextHops::Show() const {
  if (discard_ != nullptr && *discard_) return "[\"discard\"]";
  std::string out = "[";
  for (const SockAddr& hop : *hops_) {
    absl::StrAppend(&out, out.size() > 1 ? ", " : "", Quoted(hop.ToString()));
  }
  return out + "]";
}

}  // namespace sluice::server
