#include "auth/guess_guard.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice::auth {
namespace {

// What names are of, so that equal ones of different things are apart.
constexpr char kLoginSpace = 'l', kNetworkSpace = 'n', kServerSpace = 's';

// How far an address's block reaches, and how many times an address's limit it has.
struct Block {
  unsigned v4_bits;
  unsigned v6_bits;
  unsigned share;
};
constexpr Block kAddress = {32, 64, 1};
constexpr Block kBlock = {32, 56, 4};
constexpr Block kLargeBlock = {32, 48, 16};
constexpr Block kKnownNetwork = {24, 48, 1};  // addresses change within these

constexpr unsigned kKnownShare = 5;
constexpr uint32_t kWaitingWords = 8192;  // for two a job

const Block& BlockOf(GuessBy by) {
  switch (by) {
    case GuessBy::kLoginsFromBlock:
      return kBlock;
    case GuessBy::kLoginsFromLargeBlock:
      return kLargeBlock;
    default:
      return kAddress;
  }
}

bool IsLoginsFrom(GuessBy by) {
  return by == GuessBy::kLoginsFromAddress || by == GuessBy::kLoginsFromBlock ||
         by == GuessBy::kLoginsFromLargeBlock;
}

MeterKind WindowOf(GuessBy by) {
  return by == GuessBy::kServer ? MeterKind::kMinute : MeterKind::kHour;
}

Network BlockAround(const SockAddr& peer, const Block& block) {
  return Network::Of(peer, block.v4_bits, block.v6_bits);
}

uint64_t NameOfBlock(const LineTable& table, const SockAddr& peer, const Block& block) {
  const Network network = BlockAround(peer, block);
  char name[17];
  name[0] = static_cast<char>(network.bits());
  const size_t bytes = network.bytes().copy(name + 1, sizeof name - 1);
  return table.NameKey(kNetworkSpace, ByteView(name, 1 + bytes));
}

bool IsV4(const SockAddr& peer) { return BlockAround(peer, kAddress).bytes().size() == 4; }

}  // namespace

GuessGuard::GuessGuard(const GuessLimits& limits, const WaitingLimits& waiting, ByteView secret)
    : limits_(limits),
      waiting_limits_(waiting),
      failures_(secret, limits.counters, WhenFull::kReplace),
      known_(secret, limits.known_logins),
      waiting_(kWaitingWords) {}

GuessGuard::Visitor GuessGuard::Meet(ByteView login, const SockAddr& peer) const {
  Visitor visitor;
  const auto set = [&](GuessBy by, uint64_t name) {
    visitor.keys[static_cast<size_t>(by)] =
        Meters::Key(name, static_cast<unsigned>(by), WindowOf(by));
  };
  if (peer.known()) visitor.address = NameOfBlock(known_, peer, kAddress);
  if (login.empty()) return visitor;
  visitor.login = known_.NameKey(kLoginSpace, login);
  set(GuessBy::kLogin, visitor.login);
  set(GuessBy::kServer, kServerSpace);
  if (!peer.known()) return visitor;
  // Both are hashes with a secret: nobody can choose pairs that meet.
  set(GuessBy::kLoginFromAddress, visitor.login ^ visitor.address);
  set(GuessBy::kLoginsFromAddress, visitor.address);
  if (!IsV4(peer)) {
    set(GuessBy::kLoginsFromBlock, NameOfBlock(known_, peer, kBlock));
    set(GuessBy::kLoginsFromLargeBlock, NameOfBlock(known_, peer, kLargeBlock));
  }
  visitor.network = NameOfBlock(known_, peer, kKnownNetwork);
  return visitor;
}

bool GuessGuard::Knows(const Visitor& visitor, WallTime now) const {
  return visitor.network != 0 && known_.Knows(visitor.login, visitor.network, now);
}

uint64_t GuessGuard::LimitOf(GuessBy by, bool known) const {
  switch (by) {
    case GuessBy::kLoginFromAddress:
      return uint64_t{limits_.login_from_address} * (known ? kKnownShare : 1);
    case GuessBy::kLoginsFromAddress:
    case GuessBy::kLoginsFromBlock:
    case GuessBy::kLoginsFromLargeBlock:
      return known ? 0 : uint64_t{limits_.logins_from_address} * BlockOf(by).share;
    case GuessBy::kLogin:
      return known ? 0 : limits_.login;
    case GuessBy::kServer:
      break;
  }
  return known ? 0 : limits_.server;
}

GuessGuard::Standing GuessGuard::Check(const Visitor& visitor, WallTime now) const {
  Standing standing;
  const bool known = Knows(visitor, now);
  for (size_t i = 0; i < kGuessBys; i++) {
    const auto by = static_cast<GuessBy>(i);
    const uint64_t limit = LimitOf(by, known);
    if (visitor.keys[i] == 0 || limit == 0) continue;
    const uint64_t failed = failures_.Sum(visitor.keys[i], now);
    if (failed >= limit && !standing.refused.has_value()) standing.refused = by;
    if (2 * failed <= limit) continue;
    const uint64_t beyond = std::min(2 * failed - limit, limit);
    const auto slower = Duration(limits_.slowest.count() * static_cast<int64_t>(beyond) /
                                 static_cast<int64_t>(limit));
    standing.slower = std::max(standing.slower, slower);
  }
  return standing;
}

uint32_t GuessGuard::Failed(const Visitor& visitor, WallTime now) {
  const bool known = Knows(visitor, now);
  const auto pair = static_cast<size_t>(GuessBy::kLoginFromAddress);
  // Two failures at once may both be the first, or neither: one more or less of different logins.
  const bool first = visitor.keys[pair] != 0 && failures_.Sum(visitor.keys[pair], now) == 0;
  uint32_t reached = 0;
  for (size_t i = 0; i < kGuessBys; i++) {
    const auto by = static_cast<GuessBy>(i);
    if (visitor.keys[i] == 0 || (IsLoginsFrom(by) && !first)) continue;
    const uint64_t limit = LimitOf(by, known);
    const uint64_t before = failures_.Sum(visitor.keys[i], now);
    failures_.Add(visitor.keys[i], 1, now);
    // Of two at once, both may be the last: two lines then, rather than none.
    if (limit != 0 && before < limit && failures_.Sum(visitor.keys[i], now) >= limit) {
      reached |= 1u << i;
    }
  }
  return reached;
}

void GuessGuard::Succeeded(const Visitor& visitor, WallTime now) {
  if (visitor.network != 0) known_.Learn(visitor.login, visitor.network, now);
}

GuessGuard::Place& GuessGuard::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  Leave();
  levels_ = std::exchange(other.levels_, nullptr);
  login_ = std::exchange(other.login_, 0);
  address_ = std::exchange(other.address_, 0);
  return *this;
}

void GuessGuard::Place::Leave() {
  if (levels_ == nullptr) return;
  if (login_ != 0) levels_->Leave(std::exchange(login_, 0));
  if (address_ != 0) levels_->Leave(std::exchange(address_, 0));
  levels_ = nullptr;
}

// Where the table of levels has no room nothing is counted: the queue's own bound holds all the
// same.
std::optional<GuessGuard::Place> GuessGuard::Enter(const Visitor& visitor) {
  Place place;
  place.levels_ = &waiting_;
  const auto enter = [&](uint64_t key, uint32_t max, uint64_t& entered) {
    if (key == 0 || max == 0) return true;
    const uint64_t level = waiting_.Enter(key);
    if (level != 0) entered = key;
    return level <= max;
  };
  if (!enter(visitor.address, waiting_limits_.address, place.address_) ||
      !enter(visitor.login, waiting_limits_.login, place.login_)) {
    return std::nullopt;
  }
  return place;
}

GuessGuard::Count GuessGuard::Get(const Visitor& visitor, GuessBy by, WallTime now) const {
  Count count;
  const uint64_t key = visitor.keys[static_cast<size_t>(by)];
  count.limit = LimitOf(by, by == GuessBy::kLoginFromAddress && Knows(visitor, now));
  count.until = now;
  if (key == 0) return count;
  count.failed = failures_.Sum(key, now);
  if (count.limit != 0 && count.failed >= count.limit) {
    count.until = failures_.WhenAtMost(key, count.limit - 1, now);
  }
  return count;
}

void GuessGuard::Clear(const Visitor& visitor, GuessBy by) {
  const uint64_t key = visitor.keys[static_cast<size_t>(by)];
  if (key != 0) failures_.Clear(key);
}

ByteView Explain(GuessBy by) {
  static constexpr ByteView kWords[kGuessBys] = {
      "refused: too many failed logins of this login from this address",
      "refused: too many different logins failed from this address",
      "refused: too many different logins failed from this address's /56",
      "refused: too many different logins failed from this address's /48",
      "refused: too many failed logins of this login",
      "refused: too many failed logins of all clients"};
  return kWords[static_cast<size_t>(by)];
}

std::string BlockText(GuessBy by, const SockAddr& peer) {
  if (by == GuessBy::kLogin || by == GuessBy::kServer || !peer.known()) return "";
  const Block address = by == GuessBy::kLoginFromAddress ? kAddress : BlockOf(by);
  return BlockAround(peer, address).ToString();
}

std::string Describe(GuessBy by, uint64_t count, ByteView login, const SockAddr& peer) {
  if (login.empty()) login = "a login that cannot be shown";
  switch (by) {
    case GuessBy::kLoginFromAddress:
      return absl::StrCat(count, " failed logins of ", login, " from ", BlockText(by, peer),
                          " in an hour");
    case GuessBy::kLoginsFromAddress:
    case GuessBy::kLoginsFromBlock:
    case GuessBy::kLoginsFromLargeBlock:
      return absl::StrCat(count, " different logins failed from ", BlockText(by, peer),
                          " in an hour");
    case GuessBy::kLogin:
      return absl::StrCat(count, " failed logins of ", login, " in an hour");
    case GuessBy::kServer:
      break;
  }
  return absl::StrCat(count, " failed logins of all clients in a minute");
}

}  // namespace sluice::auth
