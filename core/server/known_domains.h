// KnownDomains: to which domains each login has sent in the last one to two weeks, about.
//
// A line of 192 octets a login: two bitmaps of 512 bits, of this week and of the one before, in
// which a domain is a bit by its hash. A domain whose bit is set in neither is new. Two may share a
// bit, so what is found to be new counts for as many as it stands for on the average (linear
// counting), at most 4: a login of hundreds of domains is judged too mildly rather than too
// harshly. Nobody's domains push out another's.
//
// The table is a file that is mapped, so it outlives a kill. Where it has no free line near a
// login's place, nothing is known and nothing counts. Any thread, each call; no locks.
#ifndef SLUICE_CORE_SERVER_KNOWN_DOMAINS_H_
#define SLUICE_CORE_SERVER_KNOWN_DOMAINS_H_

#include <cstdint>
#include <string>

#include "core/base/time.h"

namespace sluice::server {

class KnownDomains {
 public:
  static constexpr milliseconds kPeriod = hours(24 * 7);

  // `path`: of the file; one of another size or key is begun anew. Where it cannot be had the table
  // is in memory alone, and `note` says why. `lines`: rounded up to a power of two. `check`:
  // differs when keys of before mean nothing.
  KnownDomains(const std::string& path, uint32_t lines, uint64_t check, std::string& note);
  ~KnownDomains();
  KnownDomains(const KnownDomains&) = delete;
  KnownDomains& operator=(const KnownDomains&) = delete;

  // Learns that a login sends to a domain; both are keyed hashes, the login's not 0. For how many
  // domains that are new it counts: 0 when it is known, or the login's line is younger than
  // `learn`.
  uint32_t Note(uint64_t login, uint64_t domain, Duration learn, WallTime now);

 private:
  struct Line;

  Line* Find(uint64_t login, uint32_t period, WallTime now) const;

  const uint32_t mask_;
  void* memory_ = nullptr;
  size_t bytes_ = 0;
  Line* lines_ = nullptr;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_KNOWN_DOMAINS_H_
