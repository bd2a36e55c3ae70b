#include "core/server/queue_listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "core/base/aligned_bytes.h"
#include "core/server/spool_files.h"
#include "queue/record.h"

namespace sluice::server {
namespace {

bool ById(const ListedMessage& a, const ListedMessage& b) { return a.id < b.id; }

// The payload of the record at `where`, in `memory`; nullopt when something else is there by now.
std::optional<ByteView> ReadRecord(const std::string& folder, const queue::Location& where,
                                   queue::RecordType type, queue::QueueId id, AlignedBytes& memory) {
  const uint64_t start = where.offset / queue::kBlockBytes * queue::kBlockBytes;
  const uint64_t end = queue::RoundUpToBlock(uint64_t{where.offset} + where.bytes);
  memory = AlignedBytes(static_cast<size_t>(end - start));
  const MutableBytes bytes(memory.data(), static_cast<size_t>(end - start));
  if (!ReadSegment(folder, where.segment, start, bytes).ok()) return std::nullopt;
  ByteView payload;
  const ByteView record = ByteView(bytes.data(), bytes.size()).substr(where.offset - start, where.bytes);
  if (!queue::CheckRecord(record, type, id, payload)) return std::nullopt;
  return payload;
}

std::string Printable(ByteView text) {
  std::string out(text);
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

std::optional<nlohmann::json> Describe(const std::string& spool_dir, const ListedMessage& message) {
  const std::string folder = ShardFolder(spool_dir, message.folder);
  AlignedBytes memory;
  const auto payload = ReadRecord(folder, message.message, queue::RecordType::kMessage, message.id, memory);
  queue::MessageView view;
  if (!payload || !queue::MessageView::Decode(*payload, view)) return std::nullopt;
  const auto envelope = queue::EnvelopeView::Parse(view.envelope);
  if (!envelope) return std::nullopt;

  AlignedBytes status_memory;
  queue::StatusView status;
  if (message.status) {
    const auto bytes = ReadRecord(folder, message.status, queue::RecordType::kStatus, message.id, status_memory);
    if (!bytes || !queue::StatusView::Decode(*bytes, status)) return std::nullopt;
  }
  nlohmann::json recipients = nlohmann::json::array();
  std::string last_response;
  envelope->ForEachRecipient([&](uint32_t index, const queue::RecipientView& recipient) {
    if (status.recipients() > 0) {
      if (status.finished(index)) return;
      if (last_response.empty()) last_response = Printable(status.reply(index));
    }
    recipients.push_back(Printable(recipient.address));
  });
  nlohmann::json json = {
      {"id", message.id.ToString()},
      {"sender", Printable(envelope->sender())},
      {"recipients", std::move(recipients)},
      {"size", view.prefix.size() + view.body_bytes},
      {"created", WallMillis(message.created) / 1000},
      {"num_attempts", message.attempts},
      {"last_response", last_response},
  };
  if (status.recipients() > 0) json["next_attempt"] = status.next_attempt_ms() / 1000;
  if (!envelope->login().empty()) json["login"] = Printable(envelope->login());
  if (message.damaged) json["damaged"] = true;
  if (message.held) json["held"] = Printable(envelope->hold());
  if (message.suspended) json["held"] = "the login is suspended";
  return json;
}

}  // namespace

void SnapshotQueue(queue::Queue& queue, uint32_t folder, const QueueFilter& filter,
                   std::vector<ListedMessage>& out) {
  const queue::QueueId after = queue::QueueId::Parse(filter.after).value_or(queue::QueueId{});
  std::vector<ListedMessage> lowest;  // a heap with the highest id on top
  const size_t wanted = size_t{filter.limit} + 1;
  queue.ForEach([&](queue::Entry& entry) {
    const bool held = entry.state == queue::EntryState::kHeld;
    const bool suspended = entry.state == queue::EntryState::kSuspended;
    if (entry.id <= after || (filter.held && !held && !suspended)) return;
    if (lowest.size() == wanted) {
      if (lowest.front().id < entry.id) return;
      std::pop_heap(lowest.begin(), lowest.end(), ById);
      lowest.pop_back();
    }
    lowest.push_back({entry.id, folder, entry.message, entry.status, entry.created(),
                      entry.attempts, entry.state == queue::EntryState::kDamaged, held, suspended});
    std::push_heap(lowest.begin(), lowest.end(), ById);
  });
  out.insert(out.end(), lowest.begin(), lowest.end());
}

void OrderQueue(queue::Queue& queue, const QueueOrder& order, queue::Now now,
                std::vector<queue::QueueId>& done) {
  absl::flat_hash_set<uint64_t> wanted;
  for (const queue::QueueId id : order.ids) wanted.insert(id.value);
  std::vector<queue::Entry*> found;
  queue.ForEach([&](queue::Entry& entry) {
    if (wanted.contains(entry.id.value)) found.push_back(&entry);
  });
  for (queue::Entry* entry : found) {
    const queue::QueueId id = entry->id;
    const bool held = entry->state == queue::EntryState::kHeld;
    if (order.release ? held && queue.ReleaseHeld(*entry, now) : queue.Delete(*entry))
      done.push_back(id);
  }
}

absl::StatusOr<QueueOrder> ParseQueueOrder(std::string_view text) {
  const auto wrong = [](std::string_view words) { return absl::InvalidArgumentError(words); };
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("action") || !json.contains("ids") ||
      !json["ids"].is_array()) {
    return wrong("expected an object with action and ids");
  }
  QueueOrder order;
  order.release = json["action"] == "release";
  if (!order.release && json["action"] != "delete")
    return wrong("action: neither release nor delete");
  if (json["ids"].size() > kQueueOrderMax) return wrong("ids: too many at once");
  for (const auto& id : json["ids"]) {
    const auto parsed =
        id.is_string() ? queue::QueueId::Parse(id.get<std::string>()) : std::nullopt;
    if (!parsed.has_value()) return wrong(absl::StrCat("ids: ", id.dump(), " is no queue id"));
    order.ids.push_back(*parsed);
  }
  return order;
}

std::string QueueListJson(const std::string& spool_dir, std::vector<ListedMessage> messages,
                          const QueueFilter& filter) {
  std::sort(messages.begin(), messages.end(), ById);
  const bool more = messages.size() > filter.limit;
  if (more) messages.resize(filter.limit);
  nlohmann::json list = nlohmann::json::array();
  for (const ListedMessage& message : messages) {
    if (auto json = Describe(spool_dir, message)) list.push_back(*std::move(json));
  }
  return nlohmann::json{{"messages", std::move(list)}, {"more", more}}.dump();
}

}  // namespace sluice::server
