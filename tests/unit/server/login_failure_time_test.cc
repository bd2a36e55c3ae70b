// When 535 leaves: at auth.failure_delay after the command whatever the cause, and however long it
// took to find out. On a simulated network, in virtual time.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "auth/scram_keys.h"
#include "core/base/base64.h"
#include "tests/unit/server/shard_fixture.h"

namespace sluice::server {
namespace {

using std::string_literals::operator""s;

constexpr Duration kTick = milliseconds(100);  // of the shard's timers

class Store final : public auth::CredentialSource {
 public:
  auth::LookupStatus Lookup(ByteView login, auth::CredentialRecord& record) override {
    const auto found = records.find(std::string(login));
    if (found == records.end()) return auth::LookupStatus::kNotFound;
    record = found->second;
    return auth::LookupStatus::kFound;
  }
  std::map<std::string, auth::CredentialRecord> records;
};

// Verdicts come when the test lets them.
class Verifier final : public auth::PasswordVerifier {
 public:
  bool Submit(auth::VerifyJob&& job) override {
    jobs.push_back(std::move(job));
    return true;
  }
  std::vector<auth::VerifyJob> jobs;
};

using Client = HearingClient;

class LoginFailureTimeTest : public ShardFixture {
 protected:
  LoginFailureTimeTest() {
    ListenerOptions& listener = Listen("192.0.2.1:1587");
    listener.mechanisms = {"PLAIN"};
    listener.mechanisms_clear = {"SCRAM-SHA-256", "CRAM-MD5", "PLAIN"};
    options_.auth.failure_delay = seconds(2);
    options_.auth.failure_jitter = Duration(0);
    for (const char* name : {"known", "disabled", "suspended"}) Add(name, 2);
    Add("dear", 50'000);
    store_.records["disabled"].disabled = true;
    store_.records["suspended"].suspended = true;
    store_.records["keyless"];
    store_.records["elsewhere"].foreign_hash = "{SSHA}CI729eCUcjKAizUhZ3o9lcwxel7XLkS0";
  }
  ~LoginFailureTimeTest() override { Kill(); }

  void Add(const std::string& login, uint32_t iterations) {
    auth::CredentialRecord& record = store_.records[login];
    record.Scram(auth::ScramHash::kSha256) =
        auth::DeriveScramKeys(auth::ScramHash::kSha256, "secret", "0123456789abcdef", iterations);
    record.cram_md5 = auth::DeriveCramMd5States("secret");
  }

  void Start() {
    MakeShard(store_, verifier_);
    shard_->Start();
  }
  template <typename F>
  void RunUntil(F done) {
    ShardFixture::RunUntil(done, milliseconds(1));
  }

  // How long a login that fails waits for its 535, from the last command of the client on. It
  // begins at the same place between two ticks each time; the verifier says no after `work`.
  Duration FailPlain(const std::string& name, ByteView password, Duration work) {
    Client client;
    const sim::PeerId peer = Connect(client);
    const MonoTime began =
        Send(peer, "AUTH PLAIN " + Base64Encode("\0"s + name + "\0"s + std::string(password)));
    RunUntil([&] { return !verifier_.jobs.empty(); });
    const MonoTime proved = began + work;
    RunUntil([&] { return io_->now() >= proved; });
    const auth::VerifyJob job = std::move(verifier_.jobs.front());
    verifier_.jobs.clear();
    EXPECT_EQ(auth::Prove(job), auth::Verdict::kMismatch) << name;
    shard_->PostVerdict(job.token, auth::Verdict::kMismatch);
    return Hear(client, peer, began);
  }
  // By a mechanism of a challenge; `last` makes the client's last message of that.
  template <typename F>
  Duration FailProof(const std::string& command, F last) {
    Client client;
    const sim::PeerId peer = Connect(client);
    client.heard.clear();
    io_->PeerSend(peer, command + "\r\n");
    RunUntil([&] { return client.said("334 ") && client.heard.ends_with("\r\n"); });
    std::string challenge(Base64DecodedBytesMax(client.heard.size()), '\0');
    const ByteView text = ByteView(client.heard).substr(4, client.heard.size() - 6);
    challenge.resize(static_cast<size_t>(Base64Decode(text, challenge)));
    const MonoTime began = Send(peer, Base64Encode(last(challenge)));
    return Hear(client, peer, began);
  }
  Duration FailScram(const std::string& name) {
    return FailProof("AUTH SCRAM-SHA-256 " + Base64Encode("n,,n=" + name + ",r=abc"),
                     [](const std::string& challenge) {
                       return "c=biws," + challenge.substr(0, challenge.find(',')) +
                              ",p=" + Base64Encode(std::string(32, 'x'));
                     });
  }
  Duration FailCramMd5(const std::string& name) {
    return FailProof("AUTH CRAM-MD5",
                     [&name](const std::string&) { return name + " " + std::string(32, '0'); });
  }

  sim::PeerId Connect(Client& client) {
    const sim::PeerId peer = io_->ConnectTo(kListener, client, *SockAddr::Parse("192.0.2.7:50001"));
    io_->PeerSend(peer, "EHLO client.example\r\n");
    RunUntil([&] { return client.said("250 ENHANCEDSTATUSCODES\r\n"); });
    return peer;
  }
  MonoTime Send(sim::PeerId peer, const std::string& line) {
    const Duration phase = milliseconds(10);
    const MonoTime begin((io_->now().time_since_epoch() / seconds(1) + 1) * seconds(1) + phase);
    RunUntil([&] { return io_->now() >= begin; });
    io_->PeerSend(peer, line + "\r\n");
    return io_->now();
  }
  Duration Hear(Client& client, sim::PeerId peer, MonoTime began) {
    constexpr ByteView kReply = "535 5.7.8 Authentication credentials invalid\r\n";
    RunUntil([&] { return client.said(kReply) || client.closed; });
    EXPECT_TRUE(client.said(kReply)) << client.heard;
    const Duration waited = io_->now() - began;
    io_->PeerSend(peer, "QUIT\r\n");
    RunUntil([&] { return client.closed; });
    return waited;
  }

  Store store_;
  Verifier verifier_;
};

TEST_F(LoginFailureTimeTest, IsTheSameWhateverTheCause) {
  Start();
  std::map<std::string, Duration> waited;
  for (const char* name :
       {"known", "unknown", "disabled", "suspended", "keyless", "elsewhere", "dear"}) {
    for (const auto work :
         {Duration(0), Duration(milliseconds(150)), Duration(milliseconds(1500))}) {
      waited["PLAIN "s + name + " " + std::to_string(work.count())] =
          FailPlain(name, "wrong", work);
    }
    waited["SCRAM "s + name] = FailScram(name);
    waited["CRAM-MD5 "s + name] = FailCramMd5(name);
  }
  for (const char* name : {"disabled", "suspended", "unknown"}) {
    waited["right "s + name] = FailPlain(name, "secret", Duration(0));
  }
  const Duration first = waited.begin()->second;
  EXPECT_GE(first, options_.auth.failure_delay);
  EXPECT_LE(first, options_.auth.failure_delay + 2 * kTick);
  for (const auto& [cause, time] : waited) {
    EXPECT_NEAR(static_cast<double>(time.count()), static_cast<double>(first.count()),
                static_cast<double>(Duration(milliseconds(10)).count()))  // the network's
        << cause;
  }
}

TEST_F(LoginFailureTimeTest, IsSpreadByTheJitter) {
  options_.auth.failure_jitter = seconds(1);
  Start();
  Duration least = seconds(100);
  Duration most{};
  for (int i = 0; i < 20; i++) {
    const Duration time = i % 2 == 0 ? FailScram("known") : FailScram("unknown");
    least = std::min(least, time);
    most = std::max(most, time);
  }
  EXPECT_GE(least, options_.auth.failure_delay);
  EXPECT_LE(most, options_.auth.failure_delay + options_.auth.failure_jitter + 2 * kTick);
  EXPECT_GT(most - least, options_.auth.failure_jitter / 2);
}

}  // namespace
}  // namespace sluice::server
