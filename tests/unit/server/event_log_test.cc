#include "core/server/event_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/json_writer.h"
#include "core/base/prng.h"

namespace sluice::server {
namespace {

using nlohmann::json;

constexpr WallTime kNoon = WallFromMillis(1'795'521'600'123);  // 2026-11-24T12:00:00.123Z

std::string Line(const Event& event) {
  Buffer out;
  AppendEvent(event, out);
  return std::string(out.view());
}

std::string Quoted(ByteView text) {
  Buffer out;
  JsonWriter(&out).String(text);
  return std::string(out.view());
}

TEST(JsonWriterTest, EscapesWhatJsonAndTerminalsNeed) {
  EXPECT_EQ(Quoted(""), R"("")");
  EXPECT_EQ(Quoted("user@example.net"), R"("user@example.net")");
  EXPECT_EQ(Quoted("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(Quoted(ByteView("\r\n\t\0\x1b[2J\x7f", 9)), R"("\r\n\t\u0000\u001b[2J\u007f")");
  EXPECT_EQ(Quoted("12345678\"12345678\\"), R"("12345678\"12345678\\")");
}

TEST(JsonWriterTest, KeepsUtf8AndShowsEveryOtherByte) {
  EXPECT_EQ(Quoted("gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x93\xa7"),
            "\"gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x93\xa7\"");
  EXPECT_EQ(Quoted("gr\xfc\xdf"), R"("gr\u00fc\u00df")");                  // Latin-1
  EXPECT_EQ(Quoted("\xc2\x85"), R"("\u00c2\u0085")");                      // C1 control
  EXPECT_EQ(Quoted("\xc0\xaf"), R"("\u00c0\u00af")");                      // overlong
  EXPECT_EQ(Quoted("\xed\xa0\x80"), R"("\u00ed\u00a0\u0080")");            // surrogate
  EXPECT_EQ(Quoted("\xf4\x90\x80\x80"), R"("\u00f4\u0090\u0080\u0080")");  // above U+10FFFF
  EXPECT_EQ(Quoted("\xe2\x82"), R"("\u00e2\u0082")");                      // cut
}

TEST(JsonWriterTest, AnyBytesGiveValidJsonThatTellsThem) {
  Prng random(7);
  for (int round = 0; round < 2000; round++) {
    std::string text(random.Next() % 40, '\0');
    for (char& c : text) {
      const uint64_t r = random.Next();
      c = static_cast<char>(r % 4 == 0 ? r >> 8 : 'a' + (r >> 8) % 26);
    }
    const json value = json::parse(Quoted(text));  // throws when it is not JSON
    if (std::all_of(text.begin(), text.end(),
                    [](char c) { return static_cast<signed char>(c) >= 0; })) {
      EXPECT_EQ(value.get<std::string>(), text);
    }
  }
}

TEST(EventTest, ReceptionHasTheFieldsOfTheSchema) {
  const ByteView recipients[] = {"a@example.org", "b@example.org"};
  Event event;
  event.type = EventType::kReception;
  event.time = kNoon;
  event.id = "0ABC";
  event.session = 0x1234;
  event.has_sender = true;
  event.sender = "user@example.net";
  event.recipients = recipients;
  event.size = 4096;
  event.response = {250, "2.0.0", "Ok: queued as 0ABC", "."};
  event.peer_name = "client.example.net";
  event.peer = *SockAddr::Parse("192.0.2.7:50001");
  event.login = "user";
  event.protocol = "ESMTPSA";
  event.tls_protocol = "TLSv1.3";
  event.tls_cipher = "TLS_AES_256_GCM_SHA384";
  event.created = kNoon;
  EXPECT_EQ(
      Line(event),
      R"({"v":1,"type":"Reception","timestamp":1795521600,"event_time":"2026-11-24T12:00:00.123Z",)"
      R"("id":"0ABC","session_id":"0000000000001234","sender":"user@example.net",)"
      R"("recipient":["a@example.org","b@example.org"],"size":4096,)"
      R"("response":{"code":250,"enhanced_code":{"class":2,"subject":0,"detail":0},)"
      R"("content":"Ok: queued as 0ABC","command":"."},)"
      R"("peer_address":{"name":"client.example.net","addr":"192.0.2.7","port":50001},"login":"user",)"
      R"("reception_protocol":"ESMTPSA","tls_protocol_version":"TLSv1.3",)"
      R"("tls_cipher":"TLS_AES_256_GCM_SHA384","created":1795521600,)"
      R"("created_time":"2026-11-24T12:00:00.123Z"})"
      "\n");
}

TEST(EventTest, LeavesOutWhatIsNotThere) {
  Event event;
  event.time = kNoon;
  EXPECT_EQ(
      Line(event),
      R"({"v":1,"type":"Admin","timestamp":1795521600,"event_time":"2026-11-24T12:00:00.123Z"})"
      "\n");
}

TEST(EventTest, TheNullSenderIsASender) {
  const ByteView recipients[] = {"a@example.org"};
  Event event;
  event.type = EventType::kBounce;
  event.time = kNoon;
  event.has_sender = true;
  event.recipients = recipients;
  event.peer = *SockAddr::Parse("[2001:db8::1]:25");
  event.protocol = "ESMTP";
  const json line = json::parse(Line(event));
  EXPECT_EQ(line["sender"], "");
  EXPECT_EQ(line["recipient"], "a@example.org");
  EXPECT_EQ(line["peer_address"]["addr"], "2001:db8::1");
  EXPECT_EQ(line["delivery_protocol"], "ESMTP");
}

TEST(EventTest, AClaimedLoginIsLoggedWhenItLooksLikeAName) {
  for (const char* name : {"", "alice", "alice@example.net", "o'brien+x=y@mail-1.example.net",
                           "EXAMPLE\\alice", "host/alice_1", "j\xc3\xbcrgen@example.net"}) {
    EXPECT_EQ(LoginToLog(name), name);
  }
  for (const char* other :
       {"correct horse", "P4ssword!", "a#b", "<a@b>", "a\x7f", "tr$ee", "x;y"}) {
    EXPECT_EQ(LoginToLog(other), "") << other;
  }
  EXPECT_EQ(LoginToLog(std::string(254, 'a')), std::string(254, 'a'));
  EXPECT_EQ(LoginToLog(std::string(255, 'a')), "");
}

TEST(EventTest, OddEnhancedCodesAreLeftOut) {
  for (const char* text :
       {"5", "5.", "5.7", "5.7.", "5.7.x", "5.7.8.", "x", ".5.7", "99999999999999999999.1.1"}) {
    Event event;
    event.response = {550, text, "no", "RCPT"};
    EXPECT_FALSE(json::parse(Line(event))["response"].contains("enhanced_code")) << text;
  }
}

// A folder of its own for each test, gone after it.
class EventLogTest : public testing::Test {
 protected:
  EventLogTest() {
    char name[] = "/tmp/event_log_test.XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~EventLogTest() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<EventLog> Open() {
    auto log = EventLog::Open(dir_, [this] { return WallFromMillis(wall_ms_.load()); });
    EXPECT_TRUE(log.ok()) << log.status();
    return std::move(*log);
  }

  std::string Path(const std::string& day) const { return dir_ + "/events-" + day + ".jsonl"; }

  static std::vector<json> Read(const std::string& path) {
    std::vector<json> lines;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
    return lines;
  }

  static void WaitFor(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + seconds(10);
    while (!done() && std::chrono::steady_clock::now() < give_up) usleep(1000);
    ASSERT_TRUE(done());
  }

  std::string dir_;
  std::atomic<int64_t> wall_ms_{WallMillis(kNoon)};
};

Event Delivery() {
  Event event;
  event.type = EventType::kDelivery;
  event.time = kNoon;
  return event;
}

Event AuthFailure() {
  Event event;
  event.type = EventType::kAuth;
  event.time = kNoon;
  event.response.code = 535;
  return event;
}

TEST_F(EventLogTest, ShutdownWritesEverything) {
  {
    const auto log = Open();
    ShardEvents one(log.get()), two(log.get());
    for (int i = 0; i < 1000; i++) one.Write(Delivery());
    two.Write(AuthFailure());
  }
  EXPECT_EQ(Read(Path("20261124")).size(), 1001u);
}

TEST_F(EventLogTest, ASecondOldBufferIsHandedOver) {
  const auto log = Open();
  ShardEvents events(log.get());
  const MonoTime start(seconds(1000));
  events.Write(Delivery());
  events.Turn(start);
  events.Turn(start + milliseconds(999));
  usleep(20'000);
  EXPECT_EQ(Read(Path("20261124")).size(), 0u);
  events.Turn(start + seconds(1));
  WaitFor([&] { return Read(Path("20261124")).size() == 1; });
}

TEST_F(EventLogTest, AppendsToWhatIsThere) {
  for (int i = 0; i < 2; i++) {
    const auto log = Open();
    ShardEvents(log.get()).Write(Delivery());
  }
  EXPECT_EQ(Read(Path("20261124")).size(), 2u);
}

TEST_F(EventLogTest, ANewDayIsANewFile) {
  const auto log = Open();
  ShardEvents(log.get()).Write(Delivery());
  WaitFor([&] { return Read(Path("20261124")).size() == 1; });
  wall_ms_ += 12 * 3600 * 1000;
  ShardEvents(log.get()).Write(Delivery());
  WaitFor([&] { return Read(Path("20261125")).size() == 1; });
  EXPECT_EQ(Read(Path("20261124")).size(), 1u);
}

TEST_F(EventLogTest, ReopenFollowsARotation) {
  const auto log = Open();
  ShardEvents(log.get()).Write(Delivery());
  WaitFor([&] { return Read(Path("20261124")).size() == 1; });
  std::filesystem::rename(Path("20261124"), dir_ + "/old");
  log->Reopen();
  WaitFor([&] { return std::filesystem::exists(Path("20261124")); });
  ShardEvents(log.get()).Write(Delivery());
  WaitFor([&] { return Read(Path("20261124")).size() == 1; });
  EXPECT_EQ(Read(dir_ + "/old").size(), 1u);
}

TEST_F(EventLogTest, AFolderThatIsNotThereIsAnError) {
  const auto log = EventLog::Open(dir_ + "/none", [] { return kNoon; });
  EXPECT_TRUE(absl::IsNotFound(log.status()));
}

// A pipe that nobody reads stands for a disk that takes nothing.
TEST_F(EventLogTest, UnderPressureWhatClientsMakeAtWillIsCountedAndTheRestIsKept) {
  ASSERT_EQ(mkfifo(Path("20261124").c_str(), 0600), 0);
  const int reader = open(Path("20261124").c_str(), O_RDWR | O_NONBLOCK);
  uint64_t dropped = 0;
  uint64_t written = 0;
  std::string text;
  const auto drain = [&] {
    char part[65536];
    for (ssize_t n; (n = read(reader, part, sizeof part)) > 0;)
      text.append(part, static_cast<size_t>(n));
  };
  {
    const auto log = Open();
    ShardEvents events(log.get());
    while (events.dropped_total() < 1000) {
      events.Write(Delivery());
      written++;
      ASSERT_LT(written, 1'000'000u);
    }
    dropped = events.dropped_total();
    events.Write(AuthFailure());
    EXPECT_EQ(events.dropped_total(), dropped);
    Event rejection;
    rejection.type = EventType::kRejection;
    rejection.time = kNoon;
    events.Write(rejection);
    EXPECT_EQ(events.dropped_total(), dropped + 1);

    while (text.find("Dropped") == std::string::npos) {
      drain();
      events.Turn(std::chrono::steady_clock::now());
      usleep(100);
    }
    events.Write(Delivery());
    written++;
  }  // the pipe has room for this one
  drain();
  close(reader);

  uint64_t deliveries = 0, reported = 0, failures = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const json event = json::parse(line);
    deliveries += event["type"] == "Delivery";
    failures += event["type"] == "Auth";
    if (event["type"] == "Dropped") reported += event["dropped"]["Delivery"].get<uint64_t>();
  }
  EXPECT_EQ(failures, 1u);
  EXPECT_EQ(reported, dropped);
  EXPECT_EQ(deliveries, written - dropped);
}

TEST_F(EventLogTest, MemoryIsBoundedEvenForWhatIsNeverLeftOut) {
  ASSERT_EQ(mkfifo(Path("20261124").c_str(), 0600), 0);
  const int reader = open(Path("20261124").c_str(), O_RDWR | O_NONBLOCK);
  {
    const auto log = Open();
    ShardEvents events(log.get());
    const size_t bytes = Line(AuthFailure()).size();
    for (size_t i = 0; i < kEventBacklogHard / bytes + 2000; i++) events.Write(AuthFailure());
    EXPECT_GT(events.dropped_total(), 0u);
    EXPECT_LT(events.dropped_total(), 3000u);
  }  // and the end does not wait for a reader longer than kEventShutdown
  close(reader);
}

TEST(ShardEventsTest, WithoutALogEventsAreThrownAway) {
  ShardEvents events(nullptr);
  events.Write(Delivery());
  events.Turn(MonoTime(seconds(5)));
  EXPECT_EQ(events.dropped_total(), 0u);
}

}  // namespace
}  // namespace sluice::server
