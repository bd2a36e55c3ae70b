#include "core/server/session_listing.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace sluice::server {
namespace {

using nlohmann::json;

TEST(SessionFilterTest, IsReadFromParameters) {
  const auto none = ParseSessionFilter({}, 4);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->names_somebody());
  EXPECT_EQ(none->limit, 100u);

  const auto all = ParseSessionFilter({{"login", "Ann@Example.net"},
                                       {"address", "192.0.2.7:50001"},
                                       {"state", "data"},
                                       {"shard", "3"},
                                       {"id", "000300000000001f"},
                                       {"limit", "10000"},
                                       {"after", "2.1024"}},
                                      4);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->login, "ann@example.net") << "as the server knows it";
  EXPECT_EQ(all->peer.ToString(), "192.0.2.7:50001");
  EXPECT_EQ(all->state, SessionState::kData);
  EXPECT_EQ(all->shard, 3u);
  EXPECT_EQ(all->id, 0x000300000000001fu);
  EXPECT_EQ(all->limit, 10000u);
  EXPECT_EQ(all->after.shard, 2u);
  EXPECT_EQ(all->after.slot, 1024u);
  EXPECT_TRUE(all->names_somebody());
}

TEST(SessionFilterTest, AnAddressMayLackItsPort) {
  for (const auto& [text, ip, port] : {std::tuple{"192.0.2.7", "192.0.2.7", 0},
                                       {"2001:db8::7", "2001:db8::7", 0},
                                       {"[2001:db8::7]:25", "2001:db8::7", 25}}) {
    const auto filter = ParseSessionFilter({{"address", text}}, 1);
    ASSERT_TRUE(filter.ok()) << filter.status();
    EXPECT_EQ(filter->peer.ip(), ip);
    EXPECT_EQ(filter->peer.port(), port);
  }
}

TEST(SessionFilterTest, WhatIsWrongIsNamed) {
  const struct {
    const char* name;
    const char* value;
    const char* expected;
  } cases[] = {
      {"address", "mail.example.net", "address: 'mail.example.net': expected a numeric address"},
      {"address", "", "address: '': expected"},
      {"state", "sleeping", "state: 'sleeping': expected connected, handshaking, greeted"},
      {"shard", "2", "shard: '2': expected 0 to 1"},
      {"shard", "-1", "shard: '-1': expected 0 to 1"},
      {"id", "1f", "id: '1f': expected the 16 hexadecimal digits"},
      {"id", "0000000000000000", "id: "},
      {"limit", "0", "limit: '0': expected a number from 1 to 10000"},
      {"limit", "10001", "limit: "},
      {"limit", "7x", "limit: "},
      {"after", "1", "after: "},
      {"after", "3.0", "after: "},
      {"login", "\xff", "login: "},
      {"user", "ann", "user: there is no such filter, expected login, address"},
  };
  for (const auto& c : cases) {
    const absl::Status status = ParseSessionFilter({{c.name, c.value}}, 2).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << c.name << " " << c.value;
    EXPECT_EQ(std::string(status.message()).substr(0, std::string(c.expected).size()), c.expected);
  }
}

TEST(SessionJsonTest, TellsAll) {
  ListedSession session;
  session.id = 0x0001000000000002;
  session.shard = 1;
  session.peer = *SockAddr::Parse("192.0.2.7:50001");
  session.login = "ann@example.net";
  session.state = SessionState::kAuthenticated;
  session.age = milliseconds(61'500);
  session.idle = milliseconds(1'250);
  session.tls = "TLSv1.3";
  session.cipher = "TLS_AES_128_GCM_SHA256";
  session.messages = 12;
  Buffer out;
  JsonWriter writer(&out);
  AppendSessionJson(writer, session);
  EXPECT_EQ(json::parse(std::string(out.view())), json::parse(R"({
      "id": "0001000000000002", "shard": 1, "address": "192.0.2.7", "port": 50001, "login": "ann@example.net",
      "state": "authenticated", "age_seconds": 61.5, "idle_seconds": 1.25, "tls_protocol_version": "TLSv1.3",
      "tls_cipher": "TLS_AES_128_GCM_SHA256", "messages": 12})"));
}

}  // namespace
}  // namespace sluice::server
