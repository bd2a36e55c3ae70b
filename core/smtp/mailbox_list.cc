#include "core/smtp/mailbox_list.h"

namespace sluice::smtp {
namespace {

constexpr int kCommentDepthMax = 32;
constexpr ByteView kSpecials = "()<>[]:;@\\,.\"";

// Tokens of RFC 5322 3.2 with comments and white space gone: one special character, a quoted string
// or domain literal with its delimiters, or an atom.
class Tokens {
 public:
  explicit Tokens(ByteView text) : rest_(text) { Next(); }

  ByteView token() const { return token_; }  // empty: the end
  bool Is(char special) const { return token_.size() == 1 && token_[0] == special; }
  // A word: an atom or a quoted string.
  bool IsWord() const {
    return !token_.empty() && (token_[0] == '"' || kSpecials.find(token_[0]) == ByteView::npos);
  }
  bool failed() const { return failed_; }

  void Next() {
    SkipBlanksAndComments();
    token_ = {};
    if (failed_ || rest_.empty()) return;
    const char c = rest_[0];
    if (c == '"') return TakeDelimited('"');
    if (c == '[') return TakeDelimited(']');
    size_t bytes = 1;
    if (kSpecials.find(c) == ByteView::npos) {
      while (bytes < rest_.size() && IsAtom(rest_[bytes])) bytes++;
      if (!IsAtom(c)) return Fail();
    }
    Take(bytes);
  }

 private:
  static bool IsAtom(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet > ' ' && octet != 0x7f && kSpecials.find(c) == ByteView::npos;
  }

  void Take(size_t bytes) {
    token_ = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
  }

  void TakeDelimited(char end) {
    for (size_t i = 1; i < rest_.size(); i++) {
      if (rest_[i] == '\\') {
        i++;
      } else if (rest_[i] == end) {
        return Take(i + 1);
      }
    }
    Fail();
  }

  void SkipBlanksAndComments() {
    int depth = 0;
    while (!rest_.empty()) {
      const char c = rest_[0];
      const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
      if (c == '(') {
        if (++depth > kCommentDepthMax) return Fail();
      } else if (c == ')' && depth > 0) {
        depth--;
      } else if (c == '\\' && depth > 0) {
        if (rest_.size() < 2) return Fail();
        rest_.remove_prefix(1);
      } else if (depth == 0 && !blank) {
        return;
      }
      rest_.remove_prefix(1);
    }
    if (depth > 0) Fail();
  }

  void Fail() {
    failed_ = true;
    rest_ = token_ = {};
  }

  ByteView rest_;
  ByteView token_;
  bool failed_ = false;
};

// local-part "@" domain from the present token on; false when there is none.
bool TakeAddress(Tokens& tokens, std::string& address) {
  for (;;) {
    if (!tokens.IsWord()) return false;
    address += tokens.token();
    tokens.Next();
    if (!tokens.Is('.')) break;
    address += '.';
    tokens.Next();
  }
  if (!tokens.Is('@')) return false;
  address += '@';
  tokens.Next();
  if (tokens.token().starts_with('[')) {
    address += tokens.token();
    tokens.Next();
    return true;
  }
  for (;;) {
    if (!tokens.IsWord() || tokens.token()[0] == '"') return false;
    address += tokens.token();
    tokens.Next();
    if (!tokens.Is('.')) return true;
    address += '.';
    tokens.Next();
  }
}

// "<" [route] address ">", where a route is *("," / "@" domain) ":".
bool TakeAngleAddress(Tokens& tokens, std::string& address) {
  tokens.Next();
  if (tokens.Is('@') || tokens.Is(',')) {
    while (!tokens.Is(':')) {
      if (tokens.token().empty() || tokens.Is('>') || tokens.Is('<')) return false;
      tokens.Next();
    }
    tokens.Next();
  }
  if (!TakeAddress(tokens, address) || !tokens.Is('>')) return false;
  tokens.Next();
  return true;
}

}  // namespace

bool ParseMailboxList(ByteView value, std::vector<std::string>& addresses) {
  Tokens tokens(value);
  bool in_group = false;
  while (!tokens.token().empty()) {
    if (tokens.Is(',')) {  // obs-mbox-list has empty elements
      tokens.Next();
      continue;
    }
    if (tokens.Is(';') && in_group) {
      in_group = false;
      tokens.Next();
      if (!tokens.token().empty() && !tokens.Is(',')) return false;
      continue;
    }
    // Words are a display name, a group's name or a local part: what follows says which.
    const Tokens start = tokens;
    while (tokens.IsWord() || tokens.Is('.')) tokens.Next();
    std::string address;
    if (tokens.Is('<')) {
      if (!TakeAngleAddress(tokens, address)) return false;
    } else if (tokens.Is(':') && !in_group && start.IsWord()) {
      in_group = true;
      tokens.Next();
      continue;
    } else {
      tokens = start;
      if (!TakeAddress(tokens, address)) return false;
    }
    if (!tokens.token().empty() && !tokens.Is(',') && !(in_group && tokens.Is(';'))) return false;
    if (addresses.size() == kMailboxesMax) return false;
    addresses.push_back(std::move(address));
  }
  return !tokens.failed() && !in_group;
}

}  // namespace sluice::smtp
