// An event as a line of JSON. EVENTS.md is the schema; a change here is a change there.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>

#include "core/base/json_writer.h"
#include "core/server/event_log.h"

namespace sluice::server {
namespace {

constexpr uint64_t kSchemaVersion = 1;

// "2026-11-24T04:16:52.123Z" (RFC 3339).
ByteView FormatTime(WallTime time, char (&text)[24]) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto ms = static_cast<unsigned>((time - day).count());
  const auto put = [&](size_t at, size_t digits, unsigned value) {
    for (size_t i = digits; i > 0; i--, value /= 10)
      text[at + i - 1] = static_cast<char>('0' + value % 10);
  };
  std::memcpy(text, "0000-00-00T00:00:00.000Z", sizeof text);
  put(0, 4, static_cast<unsigned>(static_cast<int>(date.year())));
  put(5, 2, static_cast<unsigned>(date.month()));
  put(8, 2, static_cast<unsigned>(date.day()));
  put(11, 2, ms / 3'600'000);
  put(14, 2, ms / 60'000 % 60);
  put(17, 2, ms / 1'000 % 60);
  put(20, 3, ms % 1'000);
  return ByteView(text, sizeof text);
}

void TimeFields(JsonWriter& json, ByteView seconds_name, ByteView text_name, WallTime time) {
  char text[24];
  json.Field(seconds_name, static_cast<uint64_t>(WallMillis(time) / 1000));
  json.Field(text_name, FormatTime(time, text));
}

void OptionalField(JsonWriter& json, ByteView name, ByteView text) {
  if (!text.empty()) json.Field(name, text);
}

void OptionalField(JsonWriter& json, ByteView name, uint64_t number) {
  if (number != 0) json.Field(name, number);
}

void SessionField(JsonWriter& json, uint64_t session) {
  if (session == 0) return;
  char text[16];
  for (size_t i = 0; i < sizeof text; i++)
    text[i] = "0123456789abcdef"[session >> (60 - 4 * i) & 15];
  json.Field("session_id", ByteView(text, sizeof text));
}

// One recipient is a string and several are a list, as KumoMTA has it.
void RecipientField(JsonWriter& json, std::span<const ByteView> recipients) {
  if (recipients.empty()) return;
  json.Key("recipient");
  if (recipients.size() == 1) return json.String(recipients[0]);
  json.BeginArray();
  for (const ByteView recipient : recipients) json.String(recipient);
  json.EndArray();
}

// "5.7.8" as its three numbers; left out when it is not that.
void EnhancedCodeField(JsonWriter& json, ByteView text) {
  uint64_t numbers[3];
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 0; i < 3; i++) {
    const auto [stop, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc() || (i < 2 ? stop == end || *stop != '.' : stop != end)) return;
    at = stop + 1;
  }
  json.Key("enhanced_code");
  json.BeginObject();
  json.Field("class", numbers[0]);
  json.Field("subject", numbers[1]);
  json.Field("detail", numbers[2]);
  json.EndObject();
}

void ResponseField(JsonWriter& json, const EventResponse& response) {
  if (response.code == 0) return;
  json.Key("response");
  json.BeginObject();
  json.Field("code", response.code);
  if (!response.enhanced.empty()) EnhancedCodeField(json, response.enhanced);
  OptionalField(json, "content", response.content);
  OptionalField(json, "command", response.command);
  json.EndObject();
}

void PeerField(JsonWriter& json, ByteView name, const SockAddr& peer) {
  if (name.empty() && !peer.known()) return;
  json.Key("peer_address");
  json.BeginObject();
  OptionalField(json, "name", name);
  if (peer.known()) {
    char text[INET6_ADDRSTRLEN];
    json.Field("addr", peer.PrintIp(text));
    json.Field("port", peer.port());
  }
  json.EndObject();
}

// Whether the event is about a message on its way out; otherwise its peer is a client of ours.
bool IsOutbound(EventType type) {
  switch (type) {
    case EventType::kDelivery:
    case EventType::kTransientFailure:
    case EventType::kBounce:
    case EventType::kExpiration:
      return true;
    case EventType::kReception:
    case EventType::kRejection:
    case EventType::kAuth:
    case EventType::kAdmin:
    case EventType::kDropped:
      return false;
  }
  return false;
}

void BeginLine(JsonWriter& json, EventType type, WallTime time) {
  json.BeginObject();
  json.Field("v", kSchemaVersion);
  json.Field("type", EventTypeName(type));
  TimeFields(json, "timestamp", "event_time", time);
}

}  // namespace

ByteView EventTypeName(EventType type) {
  static constexpr ByteView kNames[kEventTypeCount] = {
      "Reception", "Delivery", "TransientFailure", "Bounce", "Expiration", "Rejection",
      "Auth",      "Admin",    "Dropped"};
  return kNames[static_cast<size_t>(type)];
}

ByteView LoginToLog(ByteView claimed) {
  constexpr size_t kBytesMax = 254;  // of a mailbox, RFC 5321 4.5.3.1.3
  const bool is_name = std::all_of(claimed.begin(), claimed.end(), [](char c) {
    const bool utf8 = static_cast<signed char>(c) < 0;
    return IsAsciiAlnum(c) || utf8 || ByteView(".@_-+=/\\'").find(c) != ByteView::npos;
  });
  return is_name && claimed.size() <= kBytesMax ? claimed : ByteView();
}

void AppendEvent(const Event& event, Buffer& out) {
  JsonWriter json(&out);
  BeginLine(json, event.type, event.time);
  OptionalField(json, "id", event.id);
  OptionalField(json, "bounce_id", event.bounce_id);
  SessionField(json, event.session);
  if (event.has_sender) json.Field("sender", event.sender);
  RecipientField(json, event.recipients);
  OptionalField(json, "size", event.size);
  ResponseField(json, event.response);
  PeerField(json, event.peer_name, event.peer);
  OptionalField(json, "login", event.login);
  OptionalField(json, "actor", event.actor);
  OptionalField(json, "mechanism", event.mechanism);
  OptionalField(json, IsOutbound(event.type) ? "delivery_protocol" : "reception_protocol",
                event.protocol);
  OptionalField(json, "tls_protocol_version", event.tls_protocol);
  OptionalField(json, "tls_cipher", event.tls_cipher);
  OptionalField(json, "site", event.site);
  if (event.created != WallTime()) TimeFields(json, "created", "created_time", event.created);
  OptionalField(json, "num_attempts", event.attempts);
  OptionalField(json, "detail", event.detail);
  json.EndObject();
  out.Append('\n');
}

void AppendDropped(std::span<const uint64_t> counts, WallTime time, Buffer& out) {
  JsonWriter json(&out);
  BeginLine(json, EventType::kDropped, time);
  json.Key("dropped");
  json.BeginObject();
  for (size_t i = 0; i < counts.size(); i++) {
    OptionalField(json, EventTypeName(static_cast<EventType>(i)), counts[i]);
  }
  json.EndObject();
  json.EndObject();
  out.Append('\n');
}

}  // namespace sluice::server
