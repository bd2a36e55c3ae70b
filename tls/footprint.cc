#include "tls/footprint.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>

#include "core/base/random.h"
#include "tls/channel.h"
#include "tls/library.h"
#include "tls/self_signed.h"

namespace sluice::tls {
namespace {

// Counts while the server is called. A block that a call of the server's made is given back in one too.
struct Counter {
  bool on = false;
  size_t bytes = 0;
  size_t peak = 0;
  size_t blocks = 0;
};
thread_local Counter t_counter;

void* Counted(void* block) {
  Counter& counter = t_counter;
  if (counter.on && block != nullptr) {
    counter.blocks++;
    counter.bytes += malloc_usable_size(block);
    counter.peak = std::max(counter.peak, counter.bytes);
  }
  return block;
}

void Uncount(void* block) {
  if (!t_counter.on || block == nullptr) return;
  t_counter.blocks--;
  t_counter.bytes -= malloc_usable_size(block);
}

void* Allocate(size_t bytes) { return Counted(std::malloc(bytes)); }
void Release(void* block) {
  Uncount(block);
  std::free(block);
}
void* Reallocate(void* block, size_t bytes) {
  Uncount(block);
  return Counted(std::realloc(block, bytes));
}

// The library's blocks come from malloc with and without these, so they may outlive the change.
class CountingAllocators {
 public:
  CountingAllocators() {
    t_counter = Counter();
    wolfSSL_SetAllocators(Allocate, Release, Reallocate);
  }
  ~CountingAllocators() { wolfSSL_SetAllocators(std::malloc, std::free, std::realloc); }
  CountingAllocators(const CountingAllocators&) = delete;
  CountingAllocators& operator=(const CountingAllocators&) = delete;
};

Step CountedStep(Channel& server, ByteView& cipher, Buffer& out) {
  t_counter.on = true;
  const Step step = server.Handshake(cipher, out);
  t_counter.on = false;
  return step;
}

// Handshakes to the end; false when it fails.
bool Connect(Channel& server, Channel& client) {
  Buffer to_server, to_client;
  ByteView nothing;
  Step step = client.Handshake(nothing, to_server);
  while (step != Step::kFailed && !server.handshake_done()) {
    ByteView cipher = to_server.view();
    step = CountedStep(server, cipher, to_client);
    to_server.Consume(to_server.size() - cipher.size());
    if (step != Step::kWantRead || client.handshake_done()) continue;
    if (to_client.empty()) return false;
    cipher = to_client.view();
    step = client.Handshake(cipher, to_server);
    to_client.Consume(to_client.size() - cipher.size());
  }
  return server.handshake_done();
}

}  // namespace

absl::StatusOr<Footprint> MeasureFootprint(const Parameters& parameters) {
  absl::StatusOr<IdentityPem> identity = MakeSelfSigned({.names = {"localhost"}});
  if (!identity.ok()) return identity.status();
  auto server_context = ServerContext::Create(
      {.identities = {*identity},
       .parameters = parameters,
       .ticket_keys = std::make_shared<TicketKeys>(TicketKeys::Generate(FillRandom, WallTime()))});
  if (!server_context.ok()) return server_context.status();
  auto client_context = ClientContext::Create({.parameters = parameters});
  if (!client_context.ok()) return client_context.status();

  const CountingAllocators counting;
  Channel server = Channel::Accept(*server_context);
  Channel client = Channel::Connect(**client_context, {.server_name = "localhost"});
  if (!Connect(server, client)) return absl::InternalError("TLS: a handshake with ourselves fails");
  return Footprint{.idle_bytes = t_counter.bytes, .peak_bytes = t_counter.peak, .idle_blocks = t_counter.blocks};
}

}  // namespace sluice::tls
