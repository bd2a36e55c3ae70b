// Does one pure part of the server's work a number of times, and nothing else: what
// bench/instructions counts by callgrind.
//
//   instructions PART TIMES     (without arguments: the names of the parts; all: one after the
//   other)
//
// Each is as a message of a kept connection needs it. What is prepared before is the same whatever
// TIMES is.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/queue_parts.h"
#include "bench/smtp_parts.h"
#include "core/base/base64.h"
#include "core/base/check.h"
#include "core/server/counters.h"
#include "core/smtp/body_reader.h"
#include "core/smtp/header_filter.h"
#include "core/smtp/trace.h"
#include "queue/batch.h"
#include "queue/limits.h"

namespace sluice {
namespace {

using Work = std::function<void()>;

// MAIL, RCPT, DATA and an empty body: lines, verbs, addresses, replies.
Work Commands() {
  auto config = std::make_shared<smtp::SessionConfig>(smtp::MakeConfig());
  auto pool = std::make_shared<smtp::TransactionPool>();
  auto session = std::make_shared<smtp::Session>(*config, *pool, true);
  auto replies = std::make_shared<Buffer>();
  smtp::Feed(*session, "EHLO client.example\r\n", *replies);
  return [=] {
    replies->Clear();
    smtp::Feed(*session,
               "MAIL FROM:<alice@example.net> SIZE=4096 BODY=8BITMIME\r\n"
               "RCPT TO:<bob@example.org>\r\nDATA\r\n",
               *replies);
    smtp::Feed(*session, ".\r\n", *replies);
  };
}

Work Body() {
  auto wire = std::make_shared<std::string>(smtp::OnTheWire(smtp::MakeMessage(4096)));
  auto body = std::make_shared<Buffer>();
  return [=] {
    body->Clear();
    smtp::BodyReader reader({});
    ByteView input = *wire;
    CHECK(reader.Read(input, *body));
  };
}

Work Header() {
  auto body = std::make_shared<Buffer>();
  body->Append(smtp::MakeMessage(4096));
  return [=] {
    smtp::HeaderFilter filter;
    filter.Scan(*body, true);
    CHECK(filter.header_bytes() > 0);
  };
}

Work Trace() {
  auto trace = std::make_shared<Buffer>();
  auto date = std::make_shared<smtp::DateText>();
  return [=] {
    trace->Clear();
    smtp::AppendTrace({.helo = "client.example",
                       .client_ip = "192.0.2.1",
                       .hostname = "submit.example.net",
                       .queue_id = "01JDF3QW8Z-0001",
                       .date = date->At(WallFromMillis(1795492709000)),
                       .tls_version = "TLSv1.3",
                       .tls_cipher = "TLS_AES_128_GCM_SHA256",
                       .authenticated = true},
                      *trace);
  };
}

Work Plain() {
  auto text = std::make_shared<std::string>(Base64Encode(std::string(48, 'p')));
  auto out = std::make_shared<std::string>(64, '\0');
  return [=] { CHECK(Base64Decode(*text, *out) == 48); };
}

Work Append() {
  auto batch = std::make_shared<queue::Batch>(queue::kBatchBytesMax);
  auto payload = std::make_shared<std::string>(4096, 'x');
  return [=] {
    if (!batch->Fits(payload->size(), batch->bytes_max())) batch->Clear();
    batch->Append(queue::RecordType::kMessage, queue::QueueId{1}, {*payload}, {});
  };
}

Work Life() {
  auto queue = std::make_shared<queue::QueueOnNothing>();
  return [=] {
    queue->Submit();
    queue->Turn();
    queue->Deliver();
  };
}

// What the server counts of a message that has three turns and a batch to itself, beside the
// messages and octets: its commands and replies, its session's states, and every histogram. Under
// load turns and batches are shared.
struct Counting final : smtp::SessionObserver {
  void OnCommand(size_t verb) override { counters.commands_total[verb].Add(); }
  void OnReply(int digit) override { counters.replies_total[digit - 2].Add(); }
  void OnRefusal(const smtp::Session&, smtp::Reply) override {}

  void Message(uint64_t n) {
    smtp::SessionObserver& observer = *this;
    for (size_t verb = 0; verb < 3; verb++) observer.OnCommand(verb);
    for (const int digit : {2, 2, 3, 2}) observer.OnReply(digit);
    for (size_t state = 4; state < 8; state++) {
      counters.sessions[state].Sub();
      counters.sessions[(state - 3) % 4 + 4].Add();
    }
    for (uint64_t turn = 0; turn < 3; turn++) {
      counters.loop_turns_total.Add();
      counters.loop_turn_seconds.Add(20'000 + n % 5'000);
      counters.loop_completions.Add(turn);
      counters.loop_submissions.Add(turn);
    }
    counters.journal_batches_total.Add();
    counters.journal_records_total.Add();
    counters.commit_records.Add(uint64_t{1});
    counters.commit_bytes.Add(uint64_t{4'500});
    counters.commit_wait_seconds.Add(n % 3'000);
    counters.commit_sync_seconds.Add(400'000 + n % 300'000);
  }
  server::ShardCounters counters;
};

Work Counted() {
  auto counting = std::make_shared<Counting>();
  return [=, n = uint64_t{0}]() mutable { counting->Message(n++); };
}

const std::vector<std::pair<const char*, Work (*)()>> kParts = {
    {"commands", Commands}, {"body", Body},     {"header", Header}, {"trace", Trace},
    {"base64", Plain},      {"append", Append}, {"queue", Life},    {"counting", Counted}};

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  if (argc != 3) {
    for (const auto& [name, make] : sluice::kParts) std::puts(name);
    return argc == 1 ? 0 : 64;
  }
  const std::string part = argv[1];
  bool found = false;
  for (const auto& [name, make] : sluice::kParts) {
    if (part != name && part != "all") continue;
    found = true;
    const sluice::Work work = make();
    for (long left = std::atol(argv[2]); left > 0; left--) work();
  }
  if (!found) std::fprintf(stderr, "instructions: no part '%s'\n", argv[1]);
  return found ? 0 : 64;
}
