// What the protocol code costs a message, without kernel, TLS and disk: a pipelined group of
// commands, a body, both together as one message of a kept connection, and the way out.
//
//   build/release/bench/smtp_bench
//
// Each benchmark's label is a hash of what it made, so that a faster run that does less shows.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "bench/smtp_parts.h"
#include "core/base/crc32c.h"
#include "core/smtp/address.h"
#include "core/smtp/body_reader.h"
#include "core/smtp/client.h"
#include "core/smtp/dot_stuff.h"
#include "core/smtp/header_filter.h"
#include "core/smtp/line_reader.h"
#include "core/smtp/session.h"
#include "core/smtp/trace.h"

namespace sluice::smtp {
namespace {

void ReportHash(benchmark::State& state, ByteView result) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", Crc32c(0, result));
  state.SetLabel(text);
}

// MAIL's path with its parameters, RCPT's path.
void BM_ParseAddresses(benchmark::State& state) {
  Mailbox sender, recipient;
  MailParameters parameters;
  for (auto _ : state) {
    ByteView mail = "<alice.of.sales@mail.example.net> SIZE=4096 BODY=8BITMIME";
    ByteView rcpt = "<bob@example.org>";
    if (ParseReversePath(mail, sender) != AddressError::kNone ||
        ParseMailParameters(mail, parameters = {}) != ParameterError::kNone ||
        ParseForwardPath(rcpt, recipient) != AddressError::kNone) {
      return state.SkipWithError("refused");
    }
    benchmark::DoNotOptimize(recipient);
  }
  ReportHash(state, std::string(sender.address) + std::string(recipient.address));
}
BENCHMARK(BM_ParseAddresses);

// Three commands that came whole.
void BM_ReadLines(benchmark::State& state) {
  LineReader reader;
  Buffer storage;
  ByteView line;
  size_t bytes = 0;
  for (auto _ : state) {
    ByteView input =
        "MAIL FROM:<alice@example.net> SIZE=4096\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
    while (reader.Next(input, false, storage, line) == LineReader::Result::kLine)
      bytes += line.size();
  }
  benchmark::DoNotOptimize(bytes);
  ReportHash(state, line);
}
BENCHMARK(BM_ReadLines);

void BM_PipelinedGroup(benchmark::State& state) {
  const SessionConfig config = MakeConfig();
  TransactionPool pool;
  Session session(config, pool, true);
  Buffer replies;
  Feed(session, "EHLO client.example\r\n", replies);
  constexpr ByteView kGroup =
      "MAIL FROM:<alice@example.net> SIZE=4096 BODY=8BITMIME\r\nRCPT "
      "TO:<bob@example.org>\r\nDATA\r\n";
  for (auto _ : state) {
    replies.Clear();
    Feed(session, kGroup, replies);
    Feed(session, ".\r\n", replies);
  }
  ReportHash(state, replies.view());
}
BENCHMARK(BM_PipelinedGroup);

void BM_ReadBody(benchmark::State& state) {
  const std::string wire = OnTheWire(MakeMessage(static_cast<size_t>(state.range(0))));
  Buffer body;
  for (auto _ : state) {
    body.Clear();
    BodyReader reader({});
    ByteView input = wire;
    benchmark::DoNotOptimize(reader.Read(input, body));
  }
  state.SetBytesProcessed(static_cast<int64_t>(wire.size()) * state.iterations());
  ReportHash(state, body.view());
}
BENCHMARK(BM_ReadBody)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

void BM_FilterHeader(benchmark::State& state) {
  const std::string message = MakeMessage(4096);
  Buffer body;
  body.Append(message);
  uint32_t bytes = 0;
  for (auto _ : state) {
    HeaderFilter filter;
    filter.Scan(body, true);
    bytes += filter.header_bytes();
  }
  benchmark::DoNotOptimize(bytes);
  ReportHash(state, body.view());
}
BENCHMARK(BM_FilterHeader);

// A message of a kept connection: group, body, commit, trace fields.
void BM_Message(benchmark::State& state) {
  const SessionConfig config = MakeConfig();
  TransactionPool pool;
  Session session(config, pool, true);
  Buffer replies, trace;
  DateText date;
  Feed(session, "EHLO client.example\r\n", replies);
  const std::string wire = OnTheWire(MakeMessage(static_cast<size_t>(state.range(0))));
  for (auto _ : state) {
    replies.Clear();
    trace.Clear();
    Feed(session,
         "MAIL FROM:<alice@example.net> SIZE=4096\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
         replies);
    AppendTrace({.helo = session.helo(),
                 .client_ip = "192.0.2.1",
                 .hostname = "submit.example.net",
                 .queue_id = "01JDF3QW8Z-0001",
                 .date = date.At(WallFromMillis(1795492709000)),
                 .tls_version = "TLSv1.3",
                 .tls_cipher = "TLS_AES_128_GCM_SHA256",
                 .authenticated = true},
                trace);
    Feed(session, wire, replies);
  }
  ReportHash(state, std::string(replies.view()) + std::string(trace.view()));
}
BENCHMARK(BM_Message)->Arg(4 << 10)->Arg(64 << 10);

void BM_DotStuff(benchmark::State& state) {
  const std::string message = MakeMessage(static_cast<size_t>(state.range(0)));
  Buffer wire;
  for (auto _ : state) {
    wire.Clear();
    DotStuffer stuffer;
    stuffer.Append(message, wire);
    stuffer.Finish(wire);
  }
  state.SetBytesProcessed(static_cast<int64_t>(message.size()) * state.iterations());
  ReportHash(state, wire.view());
}
BENCHMARK(BM_DotStuff)->Arg(4 << 10)->Arg(64 << 10);

// The sending side of the same message, without its body.
void BM_ClientGroup(benchmark::State& state) {
  ClientOptions options;
  options.ehlo_name = "client.example";
  Client client(options, true);
  Buffer out;
  ByteView input = "220 x\r\n250-x\r\n250-PIPELINING\r\n250 SIZE\r\n";
  benchmark::DoNotOptimize(client.OnInput(input, out));
  const ByteView recipients[] = {"bob@example.org"};
  const OutgoingMessage message = {
      .sender = "alice@example.net", .recipients = recipients, .bytes = 4096};
  for (auto _ : state) {
    out.Clear();
    (void)client.Start(&message, out);
    input = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n";
    if (client.OnInput(input, out) != ClientEffect::kSendBody)
      return state.SkipWithError("no body wanted");
    client.BodySent();
    input = "250 2.0.0 Ok: queued as 01JDF3QW8Z-0001\r\n";
    if (client.OnInput(input, out) != ClientEffect::kMessageResult)
      return state.SkipWithError("no result");
  }
  ReportHash(state, out.view());
}
BENCHMARK(BM_ClientGroup);

}  // namespace
}  // namespace sluice::smtp
