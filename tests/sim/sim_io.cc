#include "tests/sim/sim_io.h"

#include <algorithm>
#include <cerrno>

namespace sluice::sim {
namespace {

constexpr int64_t kWallStart = 1'800'000'000'000;  // 2027, in milliseconds

}  // namespace

SimIo::SimIo(uint64_t seed) : Io(MonoTime(seconds(1000))), prng_(seed) {
  set_now(now(), WallFromMillis(kWallStart));
}

SimIo::~SimIo() {
  for (auto& [id, connection] : connections_) {
    if (connection.recv != nullptr) connection.recv->set_token(0);
    if (connection.send != nullptr) connection.send->set_token(0);
  }
  for (auto& [listener, op] : acceptors_) op->set_token(0);
  for (Connecting& connecting : connecting_) connecting.op->set_token(0);
  for (Passing& passing : passing_) passing.op->set_token(0);
}

// --- the world ------------------------------------------------------------------------------------------

PeerId SimIo::ConnectTo(int listener, Remote& remote, const SockAddr& from) {
  const PeerId id = next_id_++;
  Connection& connection = connections_[id];
  connection.remote = &remote;
  connection.peer = from;
  arriving_.emplace_back(listener, id);
  return id;
}

void SimIo::PeerSend(PeerId peer, ByteView bytes) {
  auto it = connections_.find(peer);
  if (it != connections_.end() && !it->second.remote_finished) it->second.to_shard.append(bytes);
}

void SimIo::PeerFinish(PeerId peer) {
  auto it = connections_.find(peer);
  if (it != connections_.end()) it->second.remote_finished = true;
}

void SimIo::PeerReset(PeerId peer) {
  auto it = connections_.find(peer);
  if (it == connections_.end()) return;
  it->second.reset = true;
  it->second.to_shard.clear();
}

void SimIo::After(Duration delay, std::function<void()> action) {
  actions_.emplace(now() + delay, std::move(action));
}

// --- Io -------------------------------------------------------------------------------------------------

void SimIo::Accept(io::Op& op, int listener) {
  CHECK(!op.in_flight());
  op.set_token(kToken);
  acceptors_[listener] = &op;
}

void SimIo::Connect(io::Op& op, const SockAddr& peer, const SockAddr* source) {
  CHECK(!op.in_flight());
  op.set_token(kToken);
  connecting_.push_back(Connecting{&op, peer.port(), source == nullptr ? SockAddr() : *source, false});
}

void SimIo::ConnectUnix(io::Op&, const sockaddr_un&) { CHECK(!"the simulated network has ports only"); }

void SimIo::Recv(io::Op& op, io::Socket socket) {
  CHECK(!op.in_flight());
  Connection& connection = connections_.at(socket.value());
  CHECK(!connection.passed);
  CHECK(connection.recv == nullptr);
  op.set_token(kToken);
  connection.recv = &op;
  connection.recv_cancelled = false;
}

void SimIo::Send(io::Op& op, io::Socket socket, ByteView bytes) {
  CHECK(!op.in_flight());
  Connection& connection = connections_.at(socket.value());
  CHECK(connection.send == nullptr && !bytes.empty());
  op.set_token(kToken);
  connection.send = &op;
  connection.send_cancelled = false;
  connection.sending = bytes;
  connection.sent_copy.assign(bytes);
  connection.sent = 0;
}

void SimIo::Cancel(io::Op& op) {
  if (!op.in_flight()) return;
  for (auto& [id, connection] : connections_) {
    if (connection.recv == &op) connection.recv_cancelled = true;
    if (connection.send == &op) connection.send_cancelled = true;
  }
  for (Connecting& connecting : connecting_) {
    if (connecting.op == &op) connecting.cancelled = true;
  }
  std::erase_if(acceptors_, [&](const auto& item) { return item.second == &op && (op.set_token(0), true); });
}

void SimIo::Pass(io::Op& op, io::Socket socket, io::Io& to) {
  CHECK(&to == this && !op.in_flight());
  const Connection& connection = connections_.at(socket.value());
  CHECK(connection.recv == nullptr && connection.send == nullptr && !connection.passed);
  op.set_token(kToken);
  passing_.push_back(Passing{&op, socket.value()});
}

void SimIo::Adopt(io::Socket socket) {
  Connection& connection = connections_.at(socket.value());
  CHECK(connection.passed);
  connection.passed = false;
}

void SimIo::DoPass(uint32_t index) {
  const Passing passing = passing_[index];
  passing_.erase(passing_.begin() + index);
  if (prng_.Chance(faults.pass_per_million, 1'000'000)) return Complete(*passing.op, {.result = -ENFILE});
  connections_.at(passing.id).passed = true;
  Complete(*passing.op, {.socket = io::Socket(passing.id)});
}

void SimIo::Shutdown(io::Socket socket) {
  Connection& connection = connections_.at(socket.value());
  CHECK(connection.send == nullptr);
  connection.remote->OnFinished(socket.value());
}

void SimIo::Close(io::Socket socket) {
  auto it = connections_.find(socket.value());
  CHECK(it != connections_.end() && !it->second.passed);
  CHECK(it->second.recv == nullptr && it->second.send == nullptr);
  Remote* remote = it->second.remote;
  const bool reset = it->second.reset;
  const bool announced = it->second.announced;
  const uint32_t id = it->first;
  connections_.erase(it);
  if (announced) remote->OnClosed(id, reset);
}

void SimIo::WriteFile(io::Op&, int, uint64_t, ByteView, Sync) { CHECK(!"the simulated disk is a queue::Device"); }
void SimIo::ReadFile(io::Op&, int, uint64_t, MutableBytes) { CHECK(!"the simulated disk is a queue::Device"); }

// --- the loop -------------------------------------------------------------------------------------------

void SimIo::Complete(io::Op& op, const io::Completion& completion) {
  op.set_token(0);
  op.Complete(completion);
}

size_t SimIo::Chunk(size_t available) {
  size_t most = std::min<size_t>(available, faults.chunk_bytes_max);
  if (prng_.Chance(1, 3)) most = std::min<size_t>(most, prng_.Chance(1, 2) ? 3 : 100);
  return static_cast<size_t>(prng_.Between(1, most));
}

void SimIo::FindChoices() {
  choices_.clear();
  for (uint32_t i = 0; i < arriving_.size(); i++) {
    if (acceptors_.contains(arriving_[i].first)) choices_.push_back({Act::kAccept, i});
  }
  for (uint32_t i = 0; i < connecting_.size(); i++) choices_.push_back({Act::kConnect, i});
  for (uint32_t i = 0; i < passing_.size(); i++) choices_.push_back({Act::kPass, i});
  for (auto& [id, c] : connections_) {
    if (c.recv != nullptr && (c.recv_cancelled || c.reset || !c.to_shard.empty() || c.remote_finished)) {
      choices_.push_back({Act::kRecv, id});
    }
    if (c.send != nullptr) choices_.push_back({Act::kSend, id});
  }
  for (uint32_t i = 0; i < sources_.size(); i++) {
    if (sources_[i]->Pending()) choices_.push_back({Act::kSource, i});
  }
}

void SimIo::Do(const Choice& choice) {
  switch (choice.act) {
    case Act::kAccept:
      return DoAccept(choice.at);
    case Act::kConnect:
      return DoConnect(choice.at);
    case Act::kPass:
      return DoPass(choice.at);
    case Act::kRecv:
      return DoRecv(choice.at);
    case Act::kSend:
      return DoSend(choice.at);
    case Act::kSource:
      return sources_[choice.at]->RunOne();
  }
}

void SimIo::DoAccept(uint32_t index) {
  const auto [listener, id] = arriving_[index];
  arriving_.erase(arriving_.begin() + index);
  Connection& connection = connections_.at(id);
  const SockAddr peer = connection.peer;
  Remote* remote = connection.remote;
  acceptors_.at(listener)->Complete(io::Completion{.socket = io::Socket(id), .peer = &peer});
  if (connections_.contains(id)) remote->OnConnected(id);
}

void SimIo::DoConnect(uint32_t index) {
  const Connecting connecting = connecting_[index];
  connecting_.erase(connecting_.begin() + index);
  auto server = servers_.find(connecting.port);
  if (connecting.cancelled) return Complete(*connecting.op, {.result = -ECANCELED});
  if (server == servers_.end() || prng_.Chance(faults.refuse_per_million, 1'000'000)) {
    return Complete(*connecting.op, {.result = -ECONNREFUSED});
  }
  const uint32_t id = next_id_++;
  connections_[id].remote = server->second;
  connections_[id].peer = connecting.source;
  Complete(*connecting.op, {.socket = io::Socket(id)});
  if (connections_.contains(id)) server->second->OnConnected(id);
}

void SimIo::DoRecv(uint32_t id) {
  Connection& c = connections_.at(id);
  if (!c.reset && prng_.Chance(faults.reset_per_million, 1'000'000)) PeerReset(id);
  if (prng_.Chance(faults.starve_per_million, 1'000'000)) return;
  io::Op& op = *c.recv;
  if (c.recv_cancelled || c.reset || c.to_shard.empty()) {
    c.recv = nullptr;
    return Complete(op, {.result = c.recv_cancelled ? -ECANCELED : (c.reset ? -ECONNRESET : 0)});
  }
  // A buffer of its own, so that a sanitizer sees every use after the callback.
  const size_t bytes = Chunk(c.to_shard.size());
  std::unique_ptr<char[]> buffer(new char[bytes]);
  std::memcpy(buffer.get(), c.to_shard.data(), bytes);
  c.to_shard.erase(0, bytes);
  op.Complete({.result = static_cast<int32_t>(bytes), .bytes = ByteView(buffer.get(), bytes)});
  std::memset(buffer.get(), 0xdb, bytes);
}

void SimIo::DoSend(uint32_t id) {
  Connection& c = connections_.at(id);
  CHECK(c.sending == c.sent_copy);  // the kernel still reads these bytes
  if (!c.reset && prng_.Chance(faults.reset_per_million, 1'000'000)) PeerReset(id);
  io::Op& op = *c.send;
  if (c.reset || c.send_cancelled) {
    c.send = nullptr;
    return Complete(op, {.result = c.reset ? -EPIPE : -ECANCELED});
  }
  const size_t bytes = Chunk(c.sending.size() - c.sent);
  const std::string part = c.sent_copy.substr(c.sent, bytes);
  c.sent += bytes;
  const bool done = c.sent == c.sending.size();
  Remote* remote = c.remote;
  const auto whole = static_cast<int32_t>(c.sending.size());
  if (done) c.send = nullptr;
  remote->OnBytes(id, part);
  if (done) Complete(op, {.result = whole});
}

void SimIo::Wait(MonoTime until) {
  FindChoices();
  MonoTime time = now();
  if (choices_.empty()) {
    if (!woken_) {  // nothing can happen but the passing of time
      if (const auto deadline = timers().NextDeadline()) until = std::min(until, *deadline);
      if (!actions_.empty()) until = std::min(until, actions_.begin()->first);
      time = std::max(time, until);
    }
  } else {
    time += microseconds(prng_.Below(200));
  }
  woken_ = false;
  const Duration passed = time - MonoTime(seconds(1000)) + wall_offset_;
  set_now(time, WallFromMillis(kWallStart + std::chrono::duration_cast<milliseconds>(passed).count()));
}

int SimIo::RunCallbacks() {
  quiet_ = !quiet_;
  int done = 0;
  const uint64_t wanted = prng_.Between(1, 6);
  for (uint64_t i = 0; i < wanted; i++) {
    if (i > 0) FindChoices();
    if (choices_.empty()) break;
    Do(choices_[static_cast<size_t>(prng_.Below(choices_.size()))]);
    done++;
  }
  while (!actions_.empty() && actions_.begin()->first <= now()) {
    auto action = std::move(actions_.begin()->second);
    actions_.erase(actions_.begin());
    action();
    done++;
  }
  timers().Advance(now());
  return done;
}

}  // namespace sluice::sim
