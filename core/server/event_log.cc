#include "core/server/event_log.h"

#include <signal.h>

#include <cstdio>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

constexpr Duration kComplainEvery = minutes(1);

MonoTime Now() { return std::chrono::steady_clock::now(); }

// Those that may be left out when the writer is behind: what clients make at will. What an attack or
// a fault leaves behind may not.
bool MayDrop(EventType type) {
  return type == EventType::kReception || type == EventType::kDelivery ||
         type == EventType::kRejection;
}

}  // namespace

// --- a shard's end
// ------------------------------------------------------------------------------------

ShardEvents::~ShardEvents() {
  if (log_ == nullptr) return;
  if (dropped_at_ != WallTime()) ReportDropped();
  HandOver();
}

void ShardEvents::Write(const Event& event) {
  if (log_ == nullptr) return;
  if (Backlog() >= (MayDrop(event.type) ? kEventBacklogSoft : kEventBacklogHard))
    return Drop(event);
  AppendEvent(event, buffer_);
  if (buffer_.size() >= kEventBufferBytes) HandOver();
}

void ShardEvents::Turn(MonoTime now) {
  if (dropped_at_ != WallTime() && Backlog() < kEventBacklogSoft / 2) ReportDropped();
  if (buffer_.empty()) return;
  if (oldest_ == MonoTime()) {
    oldest_ = now;
  } else if (now - oldest_ >= kEventBufferAge) {
    HandOver();
  }
}

void ShardEvents::Drop(const Event& event) {
  dropped_[static_cast<size_t>(event.type)]++;
  dropped_total_++;
  dropped_at_ = event.time;
}

void ShardEvents::ReportDropped() {
  AppendDropped(dropped_, dropped_at_, buffer_);
  std::fill(std::begin(dropped_), std::end(dropped_), 0);
  dropped_at_ = WallTime();
}

void ShardEvents::HandOver() {
  oldest_ = MonoTime();
  if (buffer_.empty()) return;
  backlog_->fetch_add(buffer_.size(), std::memory_order_relaxed);
  log_->Accept({std::move(buffer_), backlog_});
}

// --- the writer
// ---------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<EventLog>> EventLog::Open(const std::string& dir, WallClock clock) {
  std::unique_ptr<EventLog> log(new EventLog(dir, std::move(clock)));
  if (absl::Status status = log->file_.Open(); !status.ok()) return status;

  // Signals are for the main thread, and a closed pipe is an error to be told, not an end.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  log->writer_ = std::thread(&EventLog::Run, log.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return log;
}

EventLog::~EventLog() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    give_up_at_ = Now() + kEventShutdown;
  }
  wake_.notify_one();
  writer_.join();
}

void EventLog::Reopen() {
  {
    const std::lock_guard lock(mutex_);
    reopen_ = true;
  }
  wake_.notify_one();
}

void EventLog::Accept(Batch batch) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(std::move(batch));
  }
  wake_.notify_one();
}

void EventLog::Run() {
  std::vector<Batch> batches;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return !inbox_.empty() || reopen_ || stopping_; });
      if (inbox_.empty() && stopping_) break;
      batches.swap(inbox_);
    }
    if (TakeReopen() || !file_.Current()) Complain(file_.Open());
    for (const Batch& batch : batches) {
      WriteBatch(batch.bytes.view());
      batch.backlog->fetch_sub(batch.bytes.size(), std::memory_order_relaxed);
    }
    batches.clear();
  }
  if (lost_bytes_ > 0) {
    std::fprintf(stderr, "event log: %llu octets could not be written and are lost\n",
                 static_cast<unsigned long long>(lost_bytes_));
  }
}

// Stays with a batch until it is written: a full disk may be made free, a pipe may be read on.
void EventLog::WriteBatch(ByteView bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    if (GaveUp()) {
      lost_bytes_ += bytes.size() - done;
      return;
    }
    if (!file_.Current() || TakeReopen()) {
      const absl::Status opened = file_.Open();
      // No line is left half in one file and half in the next.
      const size_t line_end = bytes.substr(0, done).rfind('\n');
      if (opened.ok()) done = line_end == ByteView::npos ? 0 : line_end + 1;
      Complain(opened);
    }
    const ssize_t written = file_.WriteSome(bytes.substr(done));
    if (written >= 0) {
      done += static_cast<size_t>(written);
      continue;
    }
    Complain(absl::ErrnoToStatus(static_cast<int>(-written),
                                 absl::StrCat(file_.path(), ": cannot write")));
    PauseAfterError();
  }
}

bool EventLog::TakeReopen() {
  const std::lock_guard lock(mutex_);
  return std::exchange(reopen_, false);
}

bool EventLog::GaveUp() {
  const std::lock_guard lock(mutex_);
  return stopping_ && Now() >= give_up_at_;
}

void EventLog::PauseAfterError() {
  std::unique_lock lock(mutex_);
  const bool was_stopping = stopping_;
  wake_.wait_for(lock, was_stopping ? milliseconds(50) : milliseconds(1000),
                 [&] { return reopen_ || stopping_ != was_stopping; });
}

void EventLog::Complain(const absl::Status& status) {
  if (status.ok() || Now() < complain_again_at_) return;
  complain_again_at_ = Now() + kComplainEvery;
  std::fprintf(stderr, "event log: %s\n", std::string(status.message()).c_str());
}

}  // namespace sluice::server
