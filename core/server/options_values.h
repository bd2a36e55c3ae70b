// The ways a value can be written in sluice.toml: durations, sizes, addresses, words, paths and
// lists of them.
//
// A Value points at one field of Options for as long as a visit of the key table lasts. It reads
// the field from a TOML node, saying in words what is wrong when it cannot, and shows it as TOML
// that reads back the same.
#ifndef SLUICE_CORE_SERVER_OPTIONS_VALUES_H_
#define SLUICE_CORE_SERVER_OPTIONS_VALUES_H_

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/rate_limit.h"
#include "core/base/network.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"

namespace sluice::server {

// What a value had against a node: where exactly (an element of a list, perhaps) and why.
struct ValueProblem {
  const toml::node* at;
  std::string text;  // "is an integer, expected a duration such as "5m""
};

class Value {
 public:
  virtual ~Value() = default;
  // Sets the field, or leaves it and tells. `folder` is what relative paths start from.
  virtual std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) = 0;
  // TOML text; empty for an optional value that is not given.
  virtual std::string Show() const = 0;
};

// Any text.
class Text : public Value {
 public:
  explicit Text(std::string* field) : field_(field) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 protected:
  std::string* field_;
};

// A file or folder; a relative one is taken from the folder of the configuration file.
class Path : public Text {
 public:
  using Text::Text;
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
};

// A UNIX socket's path, as a Path is written, or a numeric address with port.
class Socket : public Text {
 public:
  using Text::Text;
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
};

// true or false.
class Flag : public Value {
 public:
  explicit Flag(bool* field) : field_(field) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override { return *field_ ? "true" : "false"; }

 private:
  bool* field_;
};

// A number of things, from `min` to `max`.
class Count : public Value {
 public:
  Count(uint32_t* field, uint32_t min, uint32_t max) : field_(field), min_(min), max_(max) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  uint32_t* field_;
  uint32_t min_, max_;
};

// Octets: an integer, or text with K, M or G (powers of 1024): 52428800 or "50M".
class Bytes : public Value {
 public:
  Bytes(uint64_t* field, uint64_t min, uint64_t max) : field_(field), min_(min), max_(max) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  uint64_t* field_;
  uint64_t min_, max_;
};

// A time span as text: "5m", "1h30m", "500ms".
class Span : public Value {
 public:
  Span(Duration* field, Duration min, Duration max) : field_(field), min_(min), max_(max) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  Duration* field_;
  Duration min_, max_;
};

// A processor core: its number, "auto" or "any" (tuning.h).
class Core : public Value {
 public:
  explicit Core(int32_t* field) : field_(field) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  int32_t* field_;
};

// A numeric address with port: "127.0.0.1:1587" or "[::1]:1587".
class Address : public Value {
 public:
  explicit Address(SockAddr* field) : field_(field) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  SockAddr* field_;
};

// One word for one enumerator. The words stand in the order of the enumerators, from 0.
class WordIndex : public Value {
 public:
  explicit WordIndex(std::span<const std::string_view> words) : words_(words) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  virtual size_t Get() const = 0;
  virtual void Set(size_t index) = 0;
  std::span<const std::string_view> words_;
};

template <typename Enum>
class Word : public WordIndex {
 public:
  Word(Enum* field, std::span<const std::string_view> words) : WordIndex(words), field_(field) {}

 private:
  size_t Get() const override { return static_cast<size_t>(*field_); }
  void Set(size_t index) override { *field_ = static_cast<Enum>(index); }
  Enum* field_;
};

// A list of known words, each at most once, in an order that matters.
class Words : public Value {
 public:
  // `noun`: what one of them is called in a message.
  Words(std::vector<std::string>* field, std::vector<std::string_view> known, std::string_view noun)
      : field_(field), known_(std::move(known)), noun_(noun) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  std::vector<std::string>* field_;
  std::vector<std::string_view> known_;
  std::string_view noun_;
};

// A list of names that are not known beforehand, none of them empty.
class Names : public Value {
 public:
  explicit Names(std::vector<std::string>* field) : field_(field) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  std::vector<std::string>* field_;
};

// A list of blocks of addresses: ["10.1.0.0/16", "2001:db8::/32"].
class Networks : public Value {
 public:
  explicit Networks(std::vector<Network>* field) : field_(field) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  std::vector<Network>* field_;
};

// A list of addresses, or ["discard"] where there is a field for that.
class NextHops : public Value {
 public:
  NextHops(std::vector<SockAddr>* hops, bool* discard) : hops_(hops), discard_(discard) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  std::vector<SockAddr>* hops_;
  bool* discard_;
};

// A list of rates, at most one of a kind: ["100 messages/minute", "2G bytes/day"].
class Rates : public Value {
 public:
  explicit Rates(std::vector<auth::RateLimit>* field) : field_(field) {}
  std::optional<ValueProblem> Read(const toml::node& node, std::string_view folder) override;
  std::string Show() const override;

 private:
  std::vector<auth::RateLimit>* field_;
};

// nullopt: not a duration, or beyond 100 years.
std::optional<Duration> ParseDuration(std::string_view text);
std::string FormatDuration(Duration duration);  // "1h30m"; REQUIRES: not negative
std::optional<uint64_t> ParseBytes(std::string_view text);
std::string FormatBytes(uint64_t bytes);  // "50M", or the number where no unit divides it

// The word of `known` that `word` was probably meant to be; empty when none is near.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> known);

// `text` as a TOML basic string, quotes included.
std::string TomlString(std::string_view text);

// "a", "b" or "c"
std::string QuotedList(std::span<const std::string_view> words);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_OPTIONS_VALUES_H_
