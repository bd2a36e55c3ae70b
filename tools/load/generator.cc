#include "tools/load/generator.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace sluice::load {
namespace {

// What every turn may spend on handshakes is the server's worry, not ours: all that are wanted run.
constexpr net::StreamLimits kStreamLimits = {.heavy_steps_turn = UINT32_MAX,
                                             .held_bytes = UINT64_MAX};

MessageTemplate::Options TemplateOptions(const RunOptions& options, WallTime now) {
  const Login first = options.users.At(0);
  return MessageTemplate::Options{.run = options.run,
                                  .bytes_max = options.sizes.max(),
                                  .from = SenderOf(options, first),
                                  .to = FillPattern(options.recipient, 1),
                                  .date = now};
}

constexpr size_t kNumberAt = kNumberField.size() + 2;

std::string NumberField() {
  return absl::StrCat(kNumberField, ": ", std::string(MessageNumber::kTextBytes, '0'), "\r\n");
}

// "2.0.0 Ok: queued as ID" -> "ID"; empty when the server does not say so.
ByteView QueueId(ByteView reply) {
  constexpr ByteView kBefore = "queued as ";
  const size_t at = reply.find(kBefore);
  if (at == ByteView::npos) return ByteView();
  reply.remove_prefix(at + kBefore.size());
  return reply.substr(0, reply.find_first_of(" \r\n"));
}

}  // namespace

uint64_t ShareOf(uint64_t total, uint32_t index, uint32_t threads) {
  return total / threads + (index < total % threads ? 1 : 0);
}

std::string SenderOf(const RunOptions& options, const Login& login) {
  if (!options.from.empty()) return FillPattern(options.from, login.number);
  return login.name.find('@') != std::string::npos ? login.name : "load@sluice.example";
}

Generator::Generator(io::Io& io, const RunOptions& options, uint32_t index,
                     const tls::ClientContext* tls, Ledger* ledger)
    : io_(io),
      options_(options),
      tls_(tls),
      index_(index),
      streams_(io, kStreamLimits),
      message_(TemplateOptions(options, io.wall_now())),
      number_field_(NumberField()),
      prng_(uint64_t{options.run} << 32 | index),
      ledger_(ledger),
      tasks_max_(options.messages == 0 ? UINT64_MAX
                                       : ShareOf(options.messages, index, options.threads)) {
  for (uint32_t i = 1; i <= options.recipients; i++) {
    recipient_names_.push_back(FillPattern(options.recipient, i));
  }
  recipients_.assign(recipient_names_.begin(), recipient_names_.end());
  const uint64_t connections = ShareOf(options.connections, index, options.threads);
  for (uint64_t i = 0; i < connections; i++) {
    connections_.emplace_back(*this, index + i * options.threads);
  }
}

void Generator::Start() {
  results_.first_connect = io_.now();
  results_.series.Begin(io_.now());
  if (!open_loop() || !keeps_sessions()) Begin();
  for (LoadConnection& connection : connections_) Queue(connection);
  StartWaiting();
}

void Generator::Begin() {
  begun_ = true;
  const MonoTime now = io_.now();
  if (options_.mode != RunOptions::Mode::kIdle && options_.time > Duration(0)) {
    end_ = now + options_.time;
  }
  if (!open_loop()) return;
  schedule_.emplace(Schedule::Options{.rate = options_.rate,
                                      .arrivals = options_.arrivals,
                                      .thread = index_,
                                      .threads = options_.threads,
                                      .seed = prng_.Next()},
                    now);
  results_.first_connect = now;
  measured_from_ = now + options_.warm_up;
}

bool Generator::RunTurn() {
  results_.series.Turn(io_.now());
  if (!stopping_ && io_.now() >= end_) Stop();
  streams_.RunInput();
  if (open_loop()) {
    FollowSchedule();
    HandOut();
  }
  StartWaiting();
  ledger_.Flush();
  const bool busy = streams_.Flush();
  if (done()) results_.series.Finish();
  return busy;
}

MonoTime Generator::deadline() const {
  if (stopping_) return io_.now() + seconds(1);
  MonoTime until = std::min(end_, io_.now() + seconds(1));
  if (schedule_.has_value() && tasks_due_ < tasks_max_) until = std::min(until, schedule_->next());
  return until;
}

void Generator::Stop() {
  if (stopping_) return;
  EndTasks();
  for (LoadConnection& connection : connections_) connection.Finish();
}

void Generator::Abort() {
  EndTasks();
  for (LoadConnection& connection : connections_) connection.Abort();
}

void Generator::EndTasks() {
  if (!stopping_) results_.survivors = open_;
  stopping_ = true;
  GiveUpBacklog();
}

void Generator::GiveUpBacklog() {
  for (const MonoTime due : backlog_) CountScheduled(due);  // it would have taken longer still
  results_.unsent += backlog_.size();
  backlog_.clear();
}

// --- the open loop -------------------------------------------------------------------------------

// What has become due joins the backlog.
void Generator::FollowSchedule() {
  if (!begun_ && making_ == 0 && waiting_.empty()) Begin();
  if (!begun_ || stopping_) return;
  const MonoTime now = io_.now();
  for (; tasks_due_ < tasks_max_ && schedule_->next() <= now; schedule_->Advance()) {
    backlog_.push_back(schedule_->next());
    results_.lag.Add(now - schedule_->next());
    tasks_due_++;
  }
}

void Generator::CountScheduled(MonoTime due) {
  if (open_loop() && due >= measured_from_) results_.scheduled.Add(io_.now() - due);
}

void Generator::HandOut() {
  while (!ready_.empty() && (!backlog_.empty() || !MoreToDo())) ready_.PopFront()->Go();
  results_.backlog_max = std::max<uint64_t>(results_.backlog_max, backlog_.size());
  if (done()) GiveUpBacklog();
}

// --- what connections ask and tell ---------------------------------------------------------------

bool Generator::MoreToDo() const { return !stopping_ && tasks_taken_ < tasks_max_; }

std::optional<Task> Generator::TakeTask() {
  if (!MoreToDo() || (open_loop() && backlog_.empty())) return std::nullopt;
  results_.series.Turn(io_.now());
  results_.series.Started();
  Task task{.number = tasks_taken_++ * options_.threads + index_ + 1, .due = io_.now()};
  if (open_loop()) {
    task.due = backlog_.front();
    backlog_.pop_front();
  }
  return task;
}

void Generator::WaitForTask(LoadConnection& connection) {
  if (!connection.linked()) ready_.PushBack(connection);
}

// REQUIRES: MoreToDo().
bool Generator::MayConnect() const {
  if (options_.mode == RunOptions::Mode::kLogin) return !open_loop() || !backlog_.empty();
  if (open_loop() && !keeps_sessions()) return making_ < backlog_.size();
  // None is made for messages that those being made will take.
  return making_ < std::min<uint64_t>(options_.logins_at_once, tasks_max_ - tasks_taken_);
}

// A connection whose turn comes when nothing is left to do has had its last.
void Generator::StartWaiting() {
  while (!waiting_.empty()) {
    if (!MoreToDo()) {
      waiting_.PopFront();
      at_rest_++;
      continue;
    }
    if (!MayConnect()) return;
    making_++;
    results_.connections++;
    waiting_.PopFront()->Connect();
  }
}

void Generator::OnRest(LoadConnection& connection, bool failed) {
  if (!MoreToDo() || (failed && !options_.keep_going)) {
    at_rest_++;
  } else if (failed && options_.think == Duration(0)) {
    connection.BackOff();
  } else if (options_.think > Duration(0)) {
    connection.Pause(ThinkTime());
  } else {
    Queue(connection);
  }
}

Duration Generator::ThinkTime() {
  if (options_.think_fixed) return options_.think;
  const double uniform = static_cast<double>(prng_.Next() >> 11) * 0x1p-53;  // in [0, 1)
  return Duration(
      std::llround(-std::log1p(-uniform) * static_cast<double>(options_.think.count())));
}

void Generator::OnAccepted(uint64_t number, uint64_t bytes, ByteView reply) {
  ledger_.Add(MessageNumber{.run = options_.run, .n = number}, QueueId(reply));
  results_.accepted++;
  results_.bytes += bytes;
}

// --- what is sent --------------------------------------------------------------------------------

Body Generator::ChooseBody(uint64_t number) {
  if (options_.files != nullptr) return {.file = &options_.files->at(number - 1)};
  return {.bytes = options_.sizes.Draw(prng_)};
}

uint64_t Generator::ContentBytes(const Body& body) const {
  if (body.file == nullptr) return message_.content_bytes(body.bytes);
  return number_field_.size() + body.file->content_bytes;
}

WireParts Generator::Wire(uint64_t number, const Body& body) {
  if (body.file == nullptr) return message_.Wire(number, body.bytes);
  MessageNumber{.run = options_.run, .n = number}.Write(&number_field_[kNumberAt]);
  return {.head = number_field_, .body = body.file->wire, .tail = ".\r\n"};
}

std::span<const ByteView> Generator::ChooseRecipients() {
  const std::span<const ByteView> all = recipients_;
  if (options_.recipients_min == options_.recipients) return all;
  return all.first(prng_.Between(options_.recipients_min, options_.recipients));
}

void Generator::Fail(Phase phase, int code, ByteView text) {
  results_.series.Turn(io_.now());
  results_.Fail(phase, code, text);
}

// Of a message from the end of its data, of a login from its connect; in an open loop from when it
// was due.
void Generator::CountAnswer(MonoTime began, MonoTime due) {
  results_.series.Turn(io_.now());
  results_.series.Accepted(io_.now() - (open_loop() ? due : began));
}

}  // namespace sluice::load
