// What the admin interface tells of failed logins, and how it forgets some. The counters
// (auth/guess_guard.h) know hashes alone; the words stand here, in each shard, as long as there is
// room.
#ifndef SLUICE_CORE_SERVER_GUESS_LISTING_H_
#define SLUICE_CORE_SERVER_GUESS_LISTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "auth/guess_guard.h"
#include "core/base/bytes.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"
#include "core/server/session_listing.h"

namespace sluice::server {

// A login that failed from an address.
struct Guess {
  std::string login;  // canonical
  SockAddr peer;
};

// The last kMax different ones of a shard. One thread.
class RecentGuesses {
 public:
  static constexpr size_t kMax = 4096;

  void Note(ByteView login, const SockAddr& peer);
  const std::vector<Guess>& list() const { return guesses_; }

 private:
  std::vector<Guess> guesses_;
  size_t oldest_ = 0;  // the next to go, when there are kMax
  absl::flat_hash_set<std::string> known_;
};

struct GuessFilter {
  std::string login;  // empty: any
  SockAddr peer;      // !known(): any
  bool all = false;   // said so: for forgetting
  uint32_t limit = 100;
};

// From a request's parameters: login, address, all, limit. InvalidArgument says which one is wrong
// and what is expected.
absl::StatusOr<GuessFilter> ParseGuessFilter(const RequestParameters& parameters);

// {"guesses":[{"by":"login_from_address","login":..,"address":..,"failed":n,"limit":n,"refused":bool,
// "until":".."}],"more":bool}: what is counted of the guesses that the filter names, the refused
// first. A login or an address that the filter names is looked up even when `guesses` does not have
// it. Any thread.
std::string GuessesJson(const auth::GuessGuard& guard, std::vector<Guess> guesses,
                        const GuessFilter& filter, WallTime now);

// Forgets what GuessesJson would tell, whatever its limit; how much that was.
uint64_t ForgetGuesses(auth::GuessGuard& guard, std::vector<Guess> guesses,
                       const GuessFilter& filter, WallTime now);

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_GUESS_LISTING_H_
