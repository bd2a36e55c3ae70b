#include "tests/sim/sim_dovecot.h"

#include <gtest/gtest.h>

#include "core/base/base64.h"
#include "tests/sim/sim_mail.h"

namespace sluice::sim {
namespace {

std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == '\t') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

}  // namespace

void SimDovecot::Say(const std::string& text) {
  for (const auto& [peer, input] : inputs_) io_.PeerSend(peer, text);
}

void SimDovecot::DropAll() {
  for (const auto& [peer, input] : inputs_) io_.PeerReset(peer);
}

void SimDovecot::OnConnected(PeerId peer) {
  inputs_[peer];
  io_.PeerSend(peer, hello);
}

void SimDovecot::OnClosed(PeerId peer, bool) { inputs_.erase(peer); }

void SimDovecot::OnBytes(PeerId peer, ByteView bytes) {
  std::string& input = inputs_[peer];
  input.append(bytes);
  size_t end;
  while ((end = input.find('\n')) != std::string::npos) {
    const std::string line = input.substr(0, end);
    input.erase(0, end + 1);
    OnLine(peer, line);
  }
}

void SimDovecot::OnLine(PeerId peer, const std::string& line) {
  const std::vector<std::string> fields = Fields(line);
  if (fields[0] == "VERSION" || fields[0] == "CPID") return;
  heard.push_back(line);
  if (!answers || fields[0] == "CANCEL") return;
  ASSERT_GE(fields.size(), 3u) << line;
  const bool begins = fields[0] == "AUTH";
  EXPECT_TRUE(begins || fields[0] == "CONT") << line;
  if (begins && !fields.back().starts_with("resp="))
    return Reply(peer, "CONT\t" + fields[1] + "\t\n");
  Judge(peer, fields[1], begins ? fields.back().substr(5) : fields[2]);
}

void SimDovecot::Judge(PeerId peer, const std::string& id, const std::string& response) {
  Prng& prng = io_.prng();
  const std::string right = std::string("\0", 1) + kUser + std::string("\0", 1) + kPassword;
  const bool match = response == Base64Encode(right);
  if (prng.Chance(faults.silent_per_thousand, 1000)) return;
  if (prng.Chance(faults.drop_per_thousand, 1000)) {
    dropped++;
    return prng.Chance(1, 2) ? io_.PeerReset(peer) : io_.PeerFinish(peer);
  }
  if (prng.Chance(faults.garbage_per_thousand, 1000)) {
    return Reply(peer, prng.Chance(1, 2) ? "OK\tgarbage\n" : "CONT\t" + id + "\t***\n");
  }
  if (prng.Chance(faults.temporary_per_thousand, 1000))
    return Reply(peer, "FAIL\t" + id + "\tcode=temp_fail\n");
  (match ? ok : failed)++;
  Reply(peer, (match ? "OK\t" : "FAIL\t") + id + "\tuser=" + kUser + "\n");
}

void SimDovecot::Reply(PeerId peer, const std::string& text) {
  if (faults.slow_max == Duration::zero()) return io_.PeerSend(peer, text);
  const auto slow = static_cast<uint64_t>(faults.slow_max.count());
  io_.After(Duration(io_.prng().Below(slow + 1)), [this, peer, text] { io_.PeerSend(peer, text); });
}

}  // namespace sluice::sim
