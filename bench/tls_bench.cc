// What TLS costs the shard. The client's share of a handshake is not counted.
//
//   Handshakes/*  the server's processor time a handshake, all its steps (column Time); X25519 and an ECDSA P-256
//                 certificate unless said otherwise.
//                 idle_bytes and peak_bytes: the server's heap after and during it, from tls::MeasureFootprint
//   Hello         reading a ClientHello to choose the certificate
//   Read4K        decrypting 64 records of 4 KiB, as message bodies come
//   Write100      encrypting 100 octets, a typical reply
//
// Each label ends with a hash of what was computed, the same in every run and on every machine.
#include <benchmark/benchmark.h>
#include <time.h>

#include <memory>
#include <string>

#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/random.h"
#include "tls/channel.h"
#include "tls/footprint.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"

namespace sluice::tls {
namespace {

// Processor time of this thread: what others do on the machine is not counted.
double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void Label(benchmark::State& state, const std::string& what, ByteView result) {
  state.SetLabel(what + " result " + std::to_string(Crc32c(0, result)));
}

std::shared_ptr<ServerContext> MakeServer(const Parameters& parameters, KeyKind kind = KeyKind::kEcdsaP256) {
  CHECK(Init().ok());
  const auto identity = MakeSelfSigned({.names = {"mail.example.net"}, .kind = kind});
  CHECK(identity.ok());
  auto context = ServerContext::Create(
      {.identities = {*identity},
       .parameters = parameters,
       .ticket_keys = std::make_shared<TicketKeys>(TicketKeys::Generate(FillRandom, WallTime()))});
  CHECK(context.ok());
  return *std::move(context);
}

std::shared_ptr<ClientContext> MakeClient(const Parameters& parameters) {
  auto context = ClientContext::Create({.parameters = parameters});
  CHECK(context.ok());
  return *std::move(context);
}

struct Connection {
  Channel server;
  Channel client;
  Buffer to_server;
  Buffer to_client;

  // Runs the handshake and returns the seconds that the server's steps took.
  double Shake() {
    double server_seconds = 0;
    ByteView nothing;
    CHECK(client.Handshake(nothing, to_server) == Step::kWantRead);
    while (!server.handshake_done() || !client.handshake_done()) {
      if (!server.handshake_done()) {
        ByteView cipher = to_server.view();
        const double begin = ProcessorSeconds();
        const Step step = server.Handshake(cipher, to_client);
        server_seconds += ProcessorSeconds() - begin;
        CHECK(step != Step::kFailed);
        to_server.Consume(to_server.size() - cipher.size());
        if (step == Step::kReady) continue;
      }
      if (!client.handshake_done()) {
        ByteView cipher = to_client.view();
        CHECK(client.Handshake(cipher, to_server) != Step::kFailed);
        to_client.Consume(to_client.size() - cipher.size());
      }
    }
    return server_seconds;
  }
};

void Handshakes(benchmark::State& state, const Parameters& parameters, KeyKind kind, bool resumed) {
  auto server = MakeServer(parameters, kind);
  auto client = MakeClient(parameters);
  Session session;
  if (resumed) {
    Connection first{Channel::Accept(server), Channel::Connect(*client, {})};
    first.Shake();
    char plain[16];
    ByteView cipher = first.to_client.view();  // the ticket of TLS 1.3
    CHECK(first.client.Read(cipher, plain, first.to_server).status == ReadStatus::kWantRead);
    session = first.client.TakeSession();
  }
  std::string what;
  for (auto _ : state) {
    Connection connection{Channel::Accept(server), Channel::Connect(*client, {.session = &session})};
    state.SetIterationTime(connection.Shake());
    CHECK(connection.server.resumed() == resumed);
    what = std::string(connection.server.version()) + " " + connection.server.cipher();
  }
  const auto footprint = MeasureFootprint(parameters);
  CHECK(footprint.ok());
  state.counters["idle_bytes"] = static_cast<double>(footprint->idle_bytes);
  state.counters["peak_bytes"] = static_cast<double>(footprint->peak_bytes);
  state.SetItemsProcessed(state.iterations());
  Label(state, what, what);
}

const Parameters kTls13{.versions = Versions::kOnly13, .groups = {"X25519"}};
const Parameters kTls12{.versions = Versions::kOnly12, .groups = {"X25519", "P-256"}};
const Parameters kHybrid{.versions = Versions::kOnly13, .groups = {"X25519MLKEM768"}};

BENCHMARK_CAPTURE(Handshakes, Tls13, kTls13, KeyKind::kEcdsaP256, false)->UseManualTime();
BENCHMARK_CAPTURE(Handshakes, Tls13Resumed, kTls13, KeyKind::kEcdsaP256, true)->UseManualTime();
BENCHMARK_CAPTURE(Handshakes, Tls13Rsa2048, kTls13, KeyKind::kRsa, false)->UseManualTime();
BENCHMARK_CAPTURE(Handshakes, Tls13Mlkem, kHybrid, KeyKind::kEcdsaP256, false)->UseManualTime();
BENCHMARK_CAPTURE(Handshakes, Tls12, kTls12, KeyKind::kEcdsaP256, false)->UseManualTime();
BENCHMARK_CAPTURE(Handshakes, Tls12Resumed, kTls12, KeyKind::kEcdsaP256, true)->UseManualTime();

void Hello(benchmark::State& state) {
  auto server = MakeServer(kTls13);
  auto client = MakeClient(kTls13);
  Connection connection{Channel::Accept(server), Channel::Connect(*client, {.server_name = "mail.example.net"})};
  ByteView nothing;
  CHECK(connection.client.Handshake(nothing, connection.to_server) == Step::kWantRead);
  ClientHello hello;
  for (auto _ : state) {
    CHECK(ParseClientHello(connection.to_server.view(), hello) == HelloStatus::kComplete);
    benchmark::DoNotOptimize(server->Choose(hello));
  }
  Label(state, hello.server_name, hello.server_name);
}
BENCHMARK(Hello);

void Read4K(benchmark::State& state) {
  Connection connection{Channel::Accept(MakeServer(kTls13)), Channel::Connect(*MakeClient(kTls13), {})};
  connection.Shake();
  const std::string text(4096, 'm');
  char plain[8192];
  constexpr int kRecords = 64;
  for (auto _ : state) {
    connection.to_server.Clear();
    for (int i = 0; i < kRecords; i++) CHECK(connection.client.Write(text, connection.to_server));
    ByteView cipher = connection.to_server.view();
    const double begin = ProcessorSeconds();
    while (connection.server.Read(cipher, plain, connection.to_client).status == ReadStatus::kPlain) {
    }
    state.SetIterationTime(ProcessorSeconds() - begin);
  }
  state.SetItemsProcessed(kRecords * state.iterations());
  state.SetBytesProcessed(4096 * kRecords * state.iterations());
  Label(state, "", ByteView(plain, 4096));
}
BENCHMARK(Read4K)->UseManualTime();

void Write100(benchmark::State& state) {
  Connection connection{Channel::Accept(MakeServer(kTls13)), Channel::Connect(*MakeClient(kTls13), {})};
  connection.Shake();
  const std::string text(100, 'r');
  for (auto _ : state) {
    connection.to_client.Clear();
    CHECK(connection.server.Write(text, connection.to_client));
  }
  state.SetItemsProcessed(state.iterations());
  Label(state, "", std::to_string(connection.to_client.size()));
}
BENCHMARK(Write100);

}  // namespace
}  // namespace sluice::tls
