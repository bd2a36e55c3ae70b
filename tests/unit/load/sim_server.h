// SimServer: the far end of a generator's connections on SimIo: an SMTP server of a few lines that
// tests can make slow or deaf. No TLS, no AUTH.
#ifndef SLUICE_TESTS_UNIT_LOAD_SIM_SERVER_H_
#define SLUICE_TESTS_UNIT_LOAD_SIM_SERVER_H_

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "tests/sim/sim_io.h"
#include "tools/load/generator.h"

namespace sluice::load {

// To its end, which must come within an hour of simulated time.
inline Results RunToEnd(sim::SimIo& io, const RunOptions& options) {
  Generator generator(io, options, 0, nullptr, nullptr);
  generator.Start();
  const MonoTime limit = io.now() + hours(1);
  for (bool busy = false; !generator.done(); busy = generator.RunTurn()) {
    if (io.now() > limit) {
      ADD_FAILURE() << "did not end";
      generator.Abort();
    }
    io.Poll(busy ? io.now() : generator.deadline());
  }
  return generator.results();
}

class SimServer final : public sim::Remote {
 public:
  static constexpr uint16_t kPort = 25;

  explicit SimServer(sim::SimIo& io, uint16_t port = kPort) : io_(io) { io.Serve(port, *this); }

  // How long the answer to a message takes; asked for each.
  std::function<Duration()> delay = [] { return Duration(0); };
  // What a command is answered; empty: as a good server would.
  std::function<std::string(const std::string& line)> rule = [](const std::string&) { return ""; };

  // Says nothing to these.
  std::function<bool(const std::string& line)> silent = [](const std::string&) { return false; };

  uint64_t connections = 0;
  std::map<std::string, uint64_t> sources;  // connections by the address that they come from
  uint64_t messages = 0;
  uint64_t finished = 0;                     // ends of input that came before the connection's
  std::map<std::string, uint64_t> commands;  // by verb
  std::string received;                      // all of it, all connections

  size_t open() const { return peers_.size(); }
  void DropAll() {
    for (const auto& [peer, state] : peers_) io_.PeerReset(peer);
  }

  void OnConnected(sim::PeerId peer) override {
    connections++;
    sources[io_.AddressOf(peer).ip()]++;
    peers_[peer];
    Answer(peer, "220 sim.example");
  }

  void OnBytes(sim::PeerId peer, ByteView bytes) override {
    received.append(bytes);
    Peer& state = peers_[peer];
    state.input.append(bytes);
    for (size_t end; (end = state.input.find("\r\n")) != std::string::npos;) {
      const std::string line = state.input.substr(0, end);
      state.input.erase(0, end + 2);
      OnLine(peer, state, line);
    }
  }

  void OnFinished(sim::PeerId) override { finished++; }
  void OnClosed(sim::PeerId peer, bool) override { peers_.erase(peer); }

 private:
  struct Peer {
    std::string input;
    bool in_data = false;
  };

  void OnLine(sim::PeerId peer, Peer& state, const std::string& line) {
    if (state.in_data) {
      if (line != ".") return;
      state.in_data = false;
      messages++;
      return io_.After(delay(), [this, peer] {
        if (peers_.contains(peer)) Answer(peer, "250 2.0.0 queued as X");
      });
    }
    const std::string verb = line.substr(0, line.find(' '));
    commands[verb]++;
    if (silent(line)) return;
    if (const std::string reply = rule(line); !reply.empty()) return Answer(peer, reply);
    if (verb == "EHLO") return Answer(peer, "250-sim.example\r\n250 PIPELINING");
    if (verb == "DATA") {
      state.in_data = true;
      return Answer(peer, "354 go on");
    }
    Answer(peer, verb == "QUIT" ? "221 2.0.0 bye" : "250 2.0.0 ok");
  }

  void Answer(sim::PeerId peer, const std::string& reply) { io_.PeerSend(peer, reply + "\r\n"); }

  sim::SimIo& io_;
  std::map<sim::PeerId, Peer> peers_;
};

}  // namespace sluice::load

#endif  // SLUICE_TESTS_UNIT_LOAD_SIM_SERVER_H_
