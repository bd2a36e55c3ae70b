#include "core/server/guess_listing.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "auth/prepare.h"
#include "core/base/buffer.h"
#include "core/base/json_writer.h"
#include "core/base/time_text.h"

namespace sluice::server {
namespace {

using auth::GuessBy;
using auth::GuessGuard;

constexpr uint32_t kListMax = 10'000;
constexpr ByteView kByNames[auth::kGuessBys] = {"login_from_address",
                                                "logins_from_address",
                                                "logins_from_56",
                                                "logins_from_48",
                                                "login",
                                                "server"};

std::string PairText(ByteView login, const SockAddr& peer) {
  return absl::StrCat(login, "\n", auth::BlockText(GuessBy::kLoginFromAddress, peer));
}

struct Row {
  GuessBy by;
  std::string login;
  std::string address;
  GuessGuard::Visitor visitor;
  GuessGuard::Count count;

  bool refused() const { return count.limit != 0 && count.failed >= count.limit; }
  // Those first that are refused, or nearest to it.
  bool operator<(const Row& other) const {
    return std::tuple(!refused(), -Share(), by, login, address) <
           std::tuple(!other.refused(), -other.Share(), other.by, other.login, other.address);
  }
  double Share() const {
    return count.limit == 0 ? 0
                            : static_cast<double>(count.failed) / static_cast<double>(count.limit);
  }
};

bool IsFromPeer(const Guess& guess, const SockAddr& peer) {
  const auto block = [](const SockAddr& of) {
    return auth::BlockText(GuessBy::kLoginFromAddress, of);
  };
  return block(guess.peer) == block(peer);
}

// What a filter for a login asks of its address is not the other logins of that address.
bool IsAskedFor(GuessBy by, const GuessFilter& filter) {
  const bool any = filter.login.empty() && !filter.peer.known();
  switch (by) {
    case GuessBy::kLoginFromAddress:
      return true;
    case GuessBy::kLogin:
      return any || !filter.login.empty();
    case GuessBy::kServer:
      return any;
    default:
      return any || filter.peer.known();
  }
}

std::vector<Row> FindRows(const GuessGuard& guard, std::vector<Guess> guesses,
                          const GuessFilter& filter, WallTime now) {
  std::erase_if(guesses, [&](const Guess& guess) {
    return (!filter.login.empty() && guess.login != filter.login) ||
           (filter.peer.known() && !IsFromPeer(guess, filter.peer));
  });
  // Named by the operator, or for the server's own count.
  guesses.push_back({filter.login.empty() ? "?" : filter.login, filter.peer});

  std::map<std::tuple<GuessBy, std::string, std::string>, Row> rows;
  for (const Guess& guess : guesses) {
    const GuessGuard::Visitor visitor = guard.Meet(guess.login, guess.peer);
    for (size_t i = 0; i < auth::kGuessBys; i++) {
      const auto by = static_cast<GuessBy>(i);
      if (visitor.keys[i] == 0 || !IsAskedFor(by, filter)) continue;
      const bool of_login = by == GuessBy::kLogin || by == GuessBy::kLoginFromAddress;
      Row row = {by, of_login ? guess.login : "", auth::BlockText(by, guess.peer), visitor,
                 guard.Get(visitor, by, now)};
      if (row.count.failed == 0) continue;
      rows.emplace(std::tuple(by, row.login, row.address), std::move(row));
    }
  }
  std::vector<Row> sorted;
  for (auto& [key, row] : rows) sorted.push_back(std::move(row));
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace

void RecentGuesses::Note(ByteView login, const SockAddr& peer) {
  if (!known_.insert(PairText(login, peer)).second) return;
  Guess guess = {std::string(login), peer};
  if (guesses_.size() < kMax) {
    guesses_.push_back(std::move(guess));
    return;
  }
  Guess& oldest = guesses_[oldest_];
  known_.erase(PairText(oldest.login, oldest.peer));
  oldest = std::move(guess);
  oldest_ = (oldest_ + 1) % kMax;
}

absl::StatusOr<GuessFilter> ParseGuessFilter(const RequestParameters& parameters) {
  GuessFilter filter;
  for (const auto& [name, value] : parameters) {
    if (name == "login") {
      const auth::Prepared prepared =
          auth::PrepareLogin(value, auth::Purpose::kQuery, filter.login);
      if (prepared != auth::Prepared::kOk) {
        return absl::InvalidArgumentError(
            absl::StrCat("login: '", value, "' ", auth::Explain(prepared)));
      }
    } else if (name == "address") {
      const auto peer = SockAddr::ParseIp(value);
      if (!peer) {
        return absl::InvalidArgumentError(absl::StrCat(
            "address: '", value, "': expected a numeric address such as 192.0.2.7 or 2001:db8::7"));
      }
      filter.peer = *peer;
    } else if (name == "all") {
      filter.all = true;
    } else if (name == "limit") {
      if (!absl::SimpleAtoi(value, &filter.limit) || filter.limit < 1 || filter.limit > kListMax) {
        return absl::InvalidArgumentError(
            absl::StrCat("limit: '", value, "': expected a number from 1 to ", kListMax));
      }
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": there is no such filter, expected login, address, all, limit"));
    }
  }
  return filter;
}

std::string GuessesJson(const GuessGuard& guard, std::vector<Guess> guesses,
                        const GuessFilter& filter, WallTime now) {
  const std::vector<Row> rows = FindRows(guard, std::move(guesses), filter, now);
  Buffer out;
  JsonWriter json(&out);
  json.BeginObject();
  json.Key("guesses");
  json.BeginArray();
  for (size_t i = 0; i < std::min<size_t>(rows.size(), filter.limit); i++) {
    const Row& row = rows[i];
    json.BeginObject();
    json.Field("by", kByNames[static_cast<size_t>(row.by)]);
    if (!row.login.empty()) json.Field("login", row.login);
    if (!row.address.empty()) json.Field("address", row.address);
    json.Field("failed", row.count.failed);
    json.Field("limit", row.count.limit);
    json.BoolField("refused", row.refused());
    if (row.refused()) json.Field("until", UtcText(row.count.until));
    json.EndObject();
  }
  json.EndArray();
  json.BoolField("more", rows.size() > filter.limit);
  json.EndObject();
  return std::string(out.view());
}

uint64_t ForgetGuesses(GuessGuard& guard, std::vector<Guess> guesses, const GuessFilter& filter,
                       WallTime now) {
  const std::vector<Row> rows = FindRows(guard, std::move(guesses), filter, now);
  for (const Row& row : rows) guard.Clear(row.visitor, row.by);
  if (filter.all) guard.ClearAll();
  return rows.size();
}

}  // namespace sluice::server
