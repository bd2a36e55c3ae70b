#include "auth/remembered.h"

#include <algorithm>
#include <bit>

#include "core/base/check.h"
#include "core/base/endian.h"

namespace sluice::auth {
namespace {

int64_t Seconds(MonoTime t) {
  return std::chrono::duration_cast<seconds>(t.time_since_epoch()).count();
}

// Spreads logins over sets, keyed so that nobody outside can choose logins that share one. It needs
// no more: whether an entry matches is decided by its digest.
uint64_t PlacementHash(ByteView text, const std::array<uint64_t, 2>& key) {
  const auto mix = [](uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  uint64_t hash = key[0] ^ text.size();
  while (text.size() >= 8) {
    hash = mix(hash ^ LoadLe<uint64_t>(text.data()), key[1]);
    text.remove_prefix(8);
  }
  char tail[8] = {};
  text.copy(tail, text.size());
  return mix(mix(hash ^ LoadLe<uint64_t>(tail), key[1]), 0x9e3779b97f4a7c15);
}

}  // namespace

RememberedLogins::RememberedLogins(ByteView key, const Options& options)
    : key_(key),
      keep_s_(static_cast<uint32_t>(std::chrono::duration_cast<seconds>(options.keep).count())),
      entries_(std::bit_ceil(std::max<size_t>(options.entries, kWays))) {
  CHECK(key.size() >= 32);
  Sha256Digest placement = key_.Sign("placement of remembered logins");
  hash_key_ = {LoadLe<uint64_t>(placement.data()), LoadLe<uint64_t>(placement.data() + 8) | 1};
}

RememberedLogins::Ticket RememberedLogins::MakeTicket(ByteView login, ByteView password) const {
  // Lengths first: ("ab", "c") and ("a", "bc") must not be one message.
  char lengths[8];
  StoreLe<uint32_t>(lengths, static_cast<uint32_t>(login.size()));
  StoreLe<uint32_t>(lengths + 4, static_cast<uint32_t>(password.size()));
  const ByteView parts[] = {ByteView(lengths, sizeof lengths), login, password};
  Sha256Digest digest = key_.Sign(parts);
  Ticket ticket;
  std::copy_n(digest.begin(), ticket.digest.size(), ticket.digest.begin());
  ticket.login_hash = PlacementHash(login, hash_key_);
  Wipe(digest);
  return ticket;
}

size_t RememberedLogins::SetOf(const Ticket& ticket) const {
  return (ticket.login_hash & (entries_.size() / kWays - 1)) * kWays;
}

bool RememberedLogins::Knows(const Ticket& ticket, uint64_t version, MonoTime now) const {
  const ByteView wanted(ticket.digest.data(), ticket.digest.size());
  const Entry* const set = &entries_[SetOf(ticket)];
  bool known = false;
  for (size_t i = 0; i < kWays; i++) {
    const bool same =
        ConstantTimeEquals(wanted, ByteView(set[i].digest.data(), set[i].digest.size()));
    known |= same && set[i].version == version && set[i].ends_s > Seconds(now);
  }
  return known;
}

void RememberedLogins::Remember(const Ticket& ticket, uint64_t version, MonoTime now) {
  if (keep_s_ == 0) return;
  const auto tag = static_cast<uint32_t>(ticket.login_hash >> 32);
  const auto ends_sooner = [](const Entry& a, const Entry& b) { return a.ends_s < b.ends_s; };
  Entry* const set = &entries_[SetOf(ticket)];
  Entry* const end = set + kWays;

  // In this order: the same proof again; the login's own oldest when it has its share; what ends
  // first, which is a free entry where there is one.
  Entry* place = std::find_if(set, end, [&](const Entry& e) { return e.digest == ticket.digest; });
  if (place == end) {
    std::array<Entry*, kWays> own;
    size_t count = 0;
    for (Entry* entry = set; entry != end; entry++) {
      if (entry->ends_s > Seconds(now) && entry->login_tag == tag) own[count++] = entry;
    }
    place = count < kPerLogin
                ? std::min_element(set, end, ends_sooner)
                : *std::min_element(own.begin(), own.begin() + count,
                                    [&](auto a, auto b) { return ends_sooner(*a, *b); });
  }
  place->digest = ticket.digest;
  place->version = version;
  place->login_tag = tag;
  place->ends_s = static_cast<uint32_t>(Seconds(now) + keep_s_);
}

}  // namespace sluice::auth
