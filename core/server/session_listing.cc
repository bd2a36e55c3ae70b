#include "core/server/session_listing.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "auth/prepare.h"

namespace sluice::server {
namespace {

absl::Status Wrong(std::string_view name, std::string_view value, std::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": '", value, "': expected ", expected));
}

bool ReadNumber(std::string_view text, uint64_t* number, int base = 10) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && stop == text.data() + text.size();
}

std::string StateList() {
  std::string list;
  for (size_t i = 0; i < kSessionStates; i++)
    absl::StrAppend(&list, i == 0 ? "" : ", ", SessionStateName(i));
  return list;
}

std::optional<SockAddr> ReadPeer(const std::string& text) {
  if (const auto with_port = SockAddr::Parse(text)) return with_port;
  return SockAddr::ParseIp(text);
}

absl::Status ReadParameter(const std::string& name, const std::string& value, uint32_t shards,
                           SessionFilter& filter) {
  uint64_t number = 0;
  if (name == "login") {
    const auth::Prepared prepared = auth::PrepareLogin(value, auth::Purpose::kQuery, filter.login);
    if (prepared != auth::Prepared::kOk) {
      return absl::InvalidArgumentError(
          absl::StrCat("login: '", value, "' ", auth::Explain(prepared)));
    }
  } else if (name == "address") {
    const auto peer = ReadPeer(value);
    if (!peer)
      return Wrong(name, value,
                   "a numeric address such as 192.0.2.7, 192.0.2.7:50001 or 2001:db8::7");
    filter.peer = *peer;
  } else if (name == "state") {
    for (size_t i = 0; i < kSessionStates; i++) {
      if (SessionStateName(i) == value) filter.state = static_cast<SessionState>(i);
    }
    if (!filter.state) return Wrong(name, value, StateList());
  } else if (name == "shard") {
    if (!ReadNumber(value, &number) || number >= shards) {
      return Wrong(name, value,
                   shards == 1 ? "0: there is one shard" : absl::StrCat("0 to ", shards - 1));
    }
    filter.shard = static_cast<uint32_t>(number);
  } else if (name == "id") {
    if (value.size() != 16 || !ReadNumber(value, &filter.id, 16) || filter.id == 0) {
      return Wrong(name, value, "the 16 hexadecimal digits of a session's id");
    }
  } else if (name == "limit") {
    if (!ReadNumber(value, &number) || number < 1 || number > kSessionListMax) {
      return Wrong(name, value, absl::StrCat("a number from 1 to ", kSessionListMax));
    }
    filter.limit = static_cast<uint32_t>(number);
  } else if (name == "after") {
    const size_t dot = value.find('.');
    uint64_t slot = 0;
    if (dot == std::string::npos || !ReadNumber(std::string_view(value).substr(0, dot), &number) ||
        !ReadNumber(std::string_view(value).substr(dot + 1), &slot) || number > shards ||
        slot > UINT32_MAX) {
      return Wrong(name, value, "what an earlier answer had as \"next\"");
    }
    filter.after = {static_cast<uint32_t>(number), static_cast<uint32_t>(slot)};
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        ": there is no such filter, expected login, address, state, shard, id, limit, after"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SessionFilter> ParseSessionFilter(const RequestParameters& parameters,
                                                 uint32_t shards) {
  SessionFilter filter;
  for (const auto& [name, value] : parameters) {
    if (absl::Status status = ReadParameter(name, value, shards, filter); !status.ok())
      return status;
  }
  return filter;
}

std::string SessionIdText(uint64_t id) { return absl::StrFormat("%016x", id); }

void AppendSessionJson(JsonWriter& json, const ListedSession& session) {
  const auto seconds_of = [](Duration d) {
    return absl::StrFormat("%.3f", std::max(0.0, std::chrono::duration<double>(d).count()));
  };
  json.BeginObject();
  json.Field("id", SessionIdText(session.id));
  json.Field("shard", uint64_t{session.shard});
  json.Field("address", session.peer.ip());
  json.Field("port", uint64_t{session.peer.port()});
  json.Field("login", session.login);
  json.Field("state", SessionStateName(static_cast<size_t>(session.state)));
  json.Key("age_seconds");
  json.Raw(seconds_of(session.age));
  json.Key("idle_seconds");
  json.Raw(seconds_of(session.idle));
  json.Field("tls_protocol_version", session.tls);
  json.Field("tls_cipher", session.cipher);
  json.Field("messages", uint64_t{session.messages});
  json.EndObject();
}

}  // namespace sluice::server
