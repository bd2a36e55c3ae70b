// The event log: what happened to mail and logins, one JSON line an event (EVENTS.md is the
// schema).
//
// A shard formats into its own ShardEvents without a lock and, at most once a loop turn, hands a
// full or second-old buffer to the writer thread of the one EventLog. The writer appends to
// <log_dir>/events-YYYYMMDD.jsonl (UTC), or to standard output. The log is a report, not the
// promise: it is not synced, and a slow or full disk delays it, never the mail.
//
// Memory is bounded. While the writer is more than kEventBacklogSoft behind, a shard counts its
// receptions, deliveries and rejections instead of writing them, and an event "Dropped" tells the
// counts when it has caught up. All other types go on to kEventBacklogHard; past that they are counted too.
//
// No secret is ever an argument here: no password, no SASL response, no message text; LoginToLog
// guards against a password that was typed in the name's place.
#ifndef SLUICE_CORE_SERVER_EVENT_LOG_H_
#define SLUICE_CORE_SERVER_EVENT_LOG_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/buffer.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"
#include "core/server/event_file.h"

namespace sluice::server {

inline constexpr size_t kEventBufferBytes = 64 << 10;    // a buffer this full is handed over
inline constexpr Duration kEventBufferAge = seconds(1);  // ... or this old
inline constexpr size_t kEventBacklogSoft = 4 << 20;     // a shard's octets with the writer
inline constexpr size_t kEventBacklogHard = 32 << 20;

enum class EventType : uint8_t {
  kReception,         // a message was acknowledged with 250
  kDelivery,          // the next hop took it
  kTransientFailure,  // an attempt failed, there will be another
  kBounce,      // permanent failure: returned to its sender, or dropped when the sender is null
  kExpiration,  // the same, for age
  kRejection,   // a 4xx or 5xx to a client that tells more than bad syntax
  kAuth,        // an authentication ended
  kAdmin,       // an operator's act, start, stop, reload, or a fault of the server itself
  kDropped,     // written by the log: how many events it left out
};
inline constexpr size_t kEventTypeCount = 9;
ByteView EventTypeName(EventType type);  // "Reception"

// The reply of a server, ours or the next hop's.
struct EventResponse {
  uint16_t code = 0;  // 0: there was none
  ByteView enhanced;  // "5.7.8"
  ByteView content;   // the text after it; lines joined by a blank
  ByteView command;   // of a client, what it answered: "MAIL", "RCPT", ".", ...
};

// One event. Empty and zero fields are left out of the line. Views are read during Write only.
struct Event {
  EventType type = EventType::kAdmin;
  WallTime time;            // when it happened
  ByteView id;              // the queue id
  ByteView bounce_id;       // that of the report about it, which goes to the sender
  uint64_t session = 0;     // the same for all events of one connection
  bool has_sender = false;  // since the empty (null) sender is a value
  ByteView sender;
  std::span<const ByteView> recipients;
  uint64_t size = 0;  // octets of the message
  EventResponse response;
  ByteView peer_name;  // what a client said in EHLO
  SockAddr peer;
  ByteView login;
  ByteView actor;  // who authenticated, where `login` is another
  ByteView mechanism;
  ByteView protocol;      // "ESMTPSA" for a reception, "ESMTP" for a delivery
  ByteView tls_protocol;  // "TLSv1.3"
  ByteView tls_cipher;
  ByteView site;     // the next hop as configured
  WallTime created;  // when the message was received
  uint32_t attempts = 0;
  ByteView detail;  // words for people: why, or what was done
};

// The name that a failed login claimed, if it has the form of one: at most 254 octets of letters,
// digits, UTF-8 and ".@_-+=/\\'"; otherwise empty. Other octets are rare in names, but not in
// passwords, which people and programs do put in the wrong field.
ByteView LoginToLog(ByteView claimed);

// Appends `event` as one line with its LF. What the log writes is exactly this.
void AppendEvent(const Event& event, Buffer& out);

// Appends the line of a "Dropped" event; counts[i] belongs to EventType(i).
void AppendDropped(std::span<const uint64_t> counts, WallTime time, Buffer& out);

// How long ~EventLog tries to write what is left.
inline constexpr Duration kEventShutdown = seconds(3);

class EventLog {
 public:
  // Opens today's file in `dir` (standard output when empty) and starts the writer. `clock` picks
  // the file's day and is called on the writer's thread.
  static absl::StatusOr<std::unique_ptr<EventLog>> Open(const std::string& dir, WallClock clock);

  // Writes what it was given, for at most kEventShutdown, and ends. REQUIRES: its ShardEvents are
  // gone.
  ~EventLog();

  // Opens the file anew before the next write (log rotation). Any thread.
  void Reopen();

 private:
  friend class ShardEvents;

  struct Batch {
    Buffer bytes;                                  // whole lines
    std::shared_ptr<std::atomic<size_t>> backlog;  // its shard's; lessened when written
  };

  EventLog(const std::string& dir, WallClock clock) : file_(dir, std::move(clock)) {}
  void Accept(Batch batch);  // any thread
  void Run();
  void WriteBatch(ByteView bytes);
  bool TakeReopen();
  bool GaveUp();  // stopping, and out of time
  void PauseAfterError();
  void Complain(const absl::Status& status);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Batch> inbox_;  // these four under mutex_
  bool reopen_ = false;
  bool stopping_ = false;
  MonoTime give_up_at_;  // set with stopping_

  EventFile file_;  // the writer's, as is the rest
  MonoTime complain_again_at_;
  uint64_t lost_bytes_ = 0;
  std::thread writer_;
};

// A shard's end of the log. One thread uses it: the shard's.
class ShardEvents {
 public:
  // `log` outlives this; nullptr: events are thrown away (simulations).
  explicit ShardEvents(EventLog* log) : log_(log) {}
  ~ShardEvents();  // hands over what is left

  void Write(const Event& event);

  // Once a loop turn, at its end.
  void Turn(MonoTime now);

  // Events counted instead of written since the start.
  uint64_t dropped_total() const { return dropped_total_; }

 private:
  size_t Backlog() const { return buffer_.size() + backlog_->load(std::memory_order_relaxed); }
  void Drop(const Event& event);
  void ReportDropped();
  void HandOver();

  EventLog* const log_;
  Buffer buffer_;
  MonoTime oldest_;  // when Turn first saw buffer_ not empty; epoch: not yet
  // Octets handed over and not yet written. Shared, since the writer may outlive this.
  const std::shared_ptr<std::atomic<size_t>> backlog_ = std::make_shared<std::atomic<size_t>>(0);
  uint64_t dropped_[kEventTypeCount] = {};
  uint64_t dropped_total_ = 0;
  WallTime dropped_at_;  // when the last of dropped_ happened; epoch: there is none to report
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_EVENT_LOG_H_
