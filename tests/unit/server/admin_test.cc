#include "core/server/admin.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace sluice::server {
namespace {

using nlohmann::json;

class FakeSource : public AdminSource {
 public:
  Snapshot Stats() override {
    Snapshot snapshot;
    snapshot.version = "1.2.3";
    snapshot.hostname = "submit.example.net";
    snapshot.uptime_seconds = 77;
    snapshot.AddShard(shards[0]);
    snapshot.AddShard(shards[1]);
    return snapshot;
  }
  absl::StatusOr<std::string> QueueJson(const QueueFilter& filter) override {
    if (filter.after == "broken") return absl::UnavailableError("the \"shard\" is busy");
    return "{\"limit\":" + std::to_string(filter.limit) + ",\"after\":\"" + filter.after + "\"}";
  }
  absl::StatusOr<std::string> OrderQueue(const QueueOrder& order) override {
    return "{\"release\":" + std::to_string(order.release) +
           ",\"ids\":" + std::to_string(order.ids.size()) + "}";
  }
  std::string ShardsJson() override { return "{\"shards\":2}"; }
  absl::StatusOr<std::string> SetShards(std::string_view request) override {
    if (request == "wrong") return absl::InvalidArgumentError("batch_wait: why not");
    if (request == "late") return absl::DeadlineExceededError("shard 1 does not answer");
    return std::string(request);
  }
  absl::StatusOr<std::string> SessionsJson(const RequestParameters& filters) override {
    if (filters.contains("broken")) return absl::DeadlineExceededError("shard 1 does not answer");
    json found = json::object();
    for (const auto& [name, value] : filters) found[name] = value;
    return found.dump();
  }
  absl::StatusOr<std::string> GuessesJson(const RequestParameters& filters) override {
    return "{\"guesses\":" + std::to_string(filters.size()) + "}";
  }
  absl::StatusOr<std::string> ForgetGuesses(const RequestParameters& filters) override {
    return "{\"forgotten\":" + std::to_string(filters.size()) + "}";
  }
  absl::StatusOr<std::string> EndSessions(const RequestParameters& filters) override {
    if (filters.empty()) return absl::InvalidArgumentError("whose?");
    ended++;
    return "{}";
  }
  bool Ready(std::string* why) override {
    if (!ready) *why = "the journal is poisoned";
    return ready;
  }

  ShardCounters shards[2];
  std::atomic<bool> ready = true;
  std::atomic<int> ended = 0;
};

class AdminTest : public testing::Test {
 protected:
  AdminTest() {
    char name[] = "/tmp/admin_test.XXXXXX";
    dir_ = mkdtemp(name);
    auto admin = Admin::Start({.socket_path = Socket(), .address = *SockAddr::Parse("127.0.0.1:0")},
                              &source_);
    EXPECT_TRUE(admin.ok()) << admin.status();
    admin_ = std::move(*admin);
  }
  ~AdminTest() override {
    admin_.reset();
    std::filesystem::remove_all(dir_);
  }

  std::string Socket() const { return AdminSocketPath(dir_); }

  int ConnectTcp() const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const SockAddr address = admin_->tcp_address();
    EXPECT_EQ(connect(fd, &address.generic, address.bytes()), 0);
    return fd;
  }

  static std::string ReadAll(int fd) {
    std::string text;
    char part[4096];
    for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;)
      text.append(part, static_cast<size_t>(n));
    close(fd);
    return text;
  }

  // The whole answer to a GET over TCP.
  std::string Tcp(const std::string& target) const {
    const int fd = ConnectTcp();
    const std::string request = "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    return ReadAll(fd);
  }

  std::string dir_;
  FakeSource source_;
  std::unique_ptr<Admin> admin_;
};

TEST_F(AdminTest, StatsTellEachShardAndTheSum) {
  source_.shards[0].messages_received_total.Add(5);
  source_.shards[1].messages_received_total.Add(7);
  source_.shards[1].connections_open.Add(3);
  source_.shards[1].connections_open.Sub();
  const auto body = AdminGet(Socket(), "/v1/stats");
  ASSERT_TRUE(body.ok()) << body.status();
  const json stats = json::parse(*body);
  EXPECT_EQ(stats["version"], "1.2.3");
  EXPECT_EQ(stats["uptime_seconds"], 77);
  EXPECT_EQ(stats["total"]["messages_received_total"], 12);
  EXPECT_EQ(stats["shards"][0]["messages_received_total"], 5);
  EXPECT_EQ(stats["shards"][1]["connections_open"], 2);
  EXPECT_EQ(stats["shards"].size(), 2u);
}

TEST_F(AdminTest, MetricsAreInPrometheusForm) {
  source_.shards[1].messages_queued.Set(9);
  const std::string answer = Tcp("/metrics");
  EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(answer.find("# HELP sluice_messages_queued Messages in the queue; published\n"
                        "# TYPE sluice_messages_queued gauge\n"
                        "sluice_messages_queued{shard=\"0\"} 0\n"
                        "sluice_messages_queued{shard=\"1\"} 9\n"),
            std::string::npos)
      << answer;
  EXPECT_NE(answer.find("# TYPE sluice_connections_total counter\n"), std::string::npos);
  EXPECT_NE(answer.find("sluice_build_info{version=\"1.2.3\"} 1\n"), std::string::npos);
  EXPECT_NE(answer.find("sluice_ready 1\n"), std::string::npos);
}

TEST_F(AdminTest, ReadinessSaysWhyNot) {
  EXPECT_EQ(Tcp("/healthz").substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_EQ(Tcp("/readyz").substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_EQ(*AdminGet(Socket(), "/v1/health"), "{\"ready\":true}");
  source_.ready = false;
  const std::string answer = Tcp("/readyz");
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 503");
  EXPECT_NE(answer.find("the journal is poisoned"), std::string::npos);
  EXPECT_EQ(Tcp("/healthz").substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_EQ(*AdminGet(Socket(), "/v1/health"),
            "{\"ready\":false,\"why\":\"the journal is poisoned\"}");
}

TEST_F(AdminTest, ShardsAreChangedOverTheSocketOnly) {
  EXPECT_EQ(*AdminGet(Socket(), "/v1/shards"), "{\"shards\":2}");
  EXPECT_EQ(*AdminPut(Socket(), "/v1/shards", "{\"shard\":1}"), "{\"shard\":1}");
  const auto wrong = AdminPut(Socket(), "/v1/shards", "wrong");
  EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
  EXPECT_EQ(wrong.status().message(), "{\"error\":\"batch_wait: why not\"}");
  EXPECT_TRUE(absl::IsInternal(AdminPut(Socket(), "/v1/shards", "late").status()));
  EXPECT_EQ(Tcp("/v1/shards").substr(0, 12), "HTTP/1.1 404");
}

TEST_F(AdminTest, QueueTakesOrders) {
  const std::string id = queue::QueueId{.value = 0x0072A5C3D1401001}.ToString();
  const auto put = [&](const std::string& body) { return AdminPut(Socket(), "/v1/queue", body); };
  EXPECT_EQ(*put(R"({"action":"release","ids":[")" + id + "\"]}"), R"({"release":1,"ids":1})");
  const auto none = put(R"({"action":"delete","ids":[]})");
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(*none, R"({"release":0,"ids":0})");
  for (const char* bad :
       {"", "[]", "{}", R"({"action":"delete"})", R"({"action":"delete","ids":{}})",
        R"({"action":"send","ids":[]})", R"({"action":1,"ids":[]})",
        R"({"action":"delete","ids":["x"]})", R"({"action":"delete","ids":[7]})", "{\"action\":"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(put(bad).status())) << bad;
  }
  std::string many = R"({"action":"delete","ids":[)";
  for (uint32_t i = 0; i < kQueueOrderMax; i++) many += "\"" + id + "\",";
  EXPECT_TRUE(absl::IsInvalidArgument(put(many + "\"" + id + "\"]}").status()));
  EXPECT_EQ(*put(many.substr(0, many.size() - 1) + "]}"), R"({"release":0,"ids":1000})");
  EXPECT_EQ(Tcp("/v1/queue").substr(0, 12), "HTTP/1.1 404");
}

TEST_F(AdminTest, QueueTakesAFilter) {
  EXPECT_EQ(*AdminGet(Socket(), "/v1/queue"), "{\"limit\":100,\"after\":\"\"}");
  EXPECT_EQ(*AdminGet(Socket(), "/v1/queue?limit=7&after=0AB"), "{\"limit\":7,\"after\":\"0AB\"}");
  for (const char* bad : {"0", "10001", "x", "", "7x", "-1", "99999999999"}) {
    const auto answer = AdminGet(Socket(), std::string("/v1/queue?limit=") + bad);
    EXPECT_TRUE(absl::IsInvalidArgument(answer.status())) << bad;
  }
  const auto broken = AdminGet(Socket(), "/v1/queue?after=broken");
  EXPECT_NE(broken.status().message().find(R"({"error":"the \"shard\" is busy"})"),
            std::string::npos)
      << broken.status();
}

TEST_F(AdminTest, SessionsAreListedAndEndedByFilters) {
  EXPECT_EQ(json::parse(*AdminGet(Socket(), "/v1/sessions", {{"login", "a&b=c %+"}, {"shard", "1"}})),
            json({{"login", "a&b=c %+"}, {"shard", "1"}}));
  EXPECT_TRUE(absl::IsInternal(AdminGet(Socket(), "/v1/sessions", {{"broken", ""}}).status()));
  EXPECT_EQ(source_.ended, 0) << "looking ends nobody";
  EXPECT_EQ(*AdminDelete(Socket(), "/v1/sessions", {{"id", "7"}}), "{}");
  EXPECT_EQ(source_.ended, 1);
  const absl::Status nobody = AdminDelete(Socket(), "/v1/sessions", {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(nobody));
  EXPECT_EQ(nobody.message(), R"({"error":"whose?"})");
}

TEST_F(AdminTest, TheTcpAddressTellsNothingOfUsersAndMessages) {
  for (const char* target : {"/v1/queue", "/v1/stats", "/v1/sessions", "/v1/health", "/"}) {
    EXPECT_EQ(Tcp(target).substr(0, 12), "HTTP/1.1 404") << target;
  }
}

TEST_F(AdminTest, TheSocketIsItsOwnersAlone) {
  struct stat status;
  ASSERT_EQ(stat(Socket().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

// File permissions are the first door and may be set wrong; the peer's credentials are the second.
TEST_F(AdminTest, AnotherUserIsRefusedWhateverTheFileAllows) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
  ASSERT_EQ(chmod(Socket().c_str(), 0666), 0);
  const pid_t child = fork();
  if (child == 0) {
    const bool changed = setuid(65534) == 0;
    _exit(changed && absl::IsPermissionDenied(AdminGet(Socket(), "/v1/stats").status()) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(AdminTest, ASilentClientIsLetGo) {
  const int silent[] = {ConnectTcp(), ConnectTcp()};  // both threads are busy
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Tcp("/healthz").substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2 * kAdminTimeout);
  for (const int fd : silent) close(fd);
}

TEST_F(AdminTest, AnEndlessRequestIsCutOff) {
  const int fd = ConnectTcp();
  const std::string start = "GET /healthz HTTP/1.1\r\n";
  ASSERT_EQ(send(fd, start.data(), start.size(), MSG_NOSIGNAL), static_cast<ssize_t>(start.size()));
  const std::string line = "X: " + std::string(1000, 'x') + "\r\n";
  int lines = 0;
  while (lines < 5000 && send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0) lines++;
  EXPECT_LT(lines, 5000);
  close(fd);
}

TEST_F(AdminTest, GarbageGets400AndTheNextRequestIsServed) {
  const int fd = ConnectTcp();
  ASSERT_EQ(write(fd, "\x16\x03\x01 hello\r\n\r\n", 12), 12);
  EXPECT_EQ(ReadAll(fd).substr(0, 12), "HTTP/1.1 400");
  EXPECT_EQ(Tcp("/healthz").substr(0, 15), "HTTP/1.1 200 OK");
}

TEST_F(AdminTest, ASecondServerDoesNotStealTheSocket) {
  const auto second = Admin::Start({.socket_path = Socket(), .address = {}}, &source_);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
  EXPECT_TRUE(AdminGet(Socket(), "/v1/health").ok());
}

TEST_F(AdminTest, AStaleSocketIsReplacedAndAnEndedOneIsGone) {
  admin_.reset();
  EXPECT_FALSE(std::filesystem::exists(Socket()));
  EXPECT_TRUE(absl::IsUnavailable(AdminGet(Socket(), "/v1/health").status()));

  const int stale = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  Socket().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(stale);
  auto admin = Admin::Start({.socket_path = Socket(), .address = {}}, &source_);
  ASSERT_TRUE(admin.ok()) << admin.status();
  EXPECT_TRUE(AdminGet(Socket(), "/v1/health").ok());
  EXPECT_FALSE((*admin)->tcp_address().known());
}

TEST(AdminStartTest, AnAddressInUseAndALongPathAreErrors) {
  FakeSource source;
  EXPECT_TRUE(absl::IsInvalidArgument(
      Admin::Start({.socket_path = "/tmp/" + std::string(120, 'x'), .address = {}}, &source)
          .status()));
  const auto first =
      Admin::Start({.socket_path = "", .address = *SockAddr::Parse("[::1]:0")}, &source);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second =
      Admin::Start({.socket_path = "", .address = (*first)->tcp_address()}, &source);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
}

}  // namespace
}  // namespace sluice::server
