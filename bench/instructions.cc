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

const std::vector<std::pair<const char*, Work (*)()>> kParts = {
    {"commands", Commands}, {"body", Body},     {"header", Header}, {"trace", Trace},
    {"base64", Plain},      {"append", Append}, {"queue", Life}};

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
