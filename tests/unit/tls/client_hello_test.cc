#include "tls/client_hello.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::tls {
namespace {

std::string Number(size_t value, int octets) {
  std::string text;
  for (int i = octets - 1; i >= 0; i--) text += static_cast<char>(value >> (8 * i));
  return text;
}
std::string Vector(const std::string& content, int length_octets) {
  return Number(content.size(), length_octets) + content;
}
std::string List(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text += Number(static_cast<size_t>(number), 2);
  return text;
}
std::string Extension(int type, const std::string& content) { return Number(type, 2) + Vector(content, 2); }
std::string ServerName(const std::string& name) {
  return Extension(0, Vector(std::string(1, '\0') + Vector(name, 2), 2));
}
std::string Groups(const std::vector<int>& groups) { return Extension(10, Vector(List(groups), 2)); }
std::string Schemes(const std::vector<int>& schemes) { return Extension(13, Vector(List(schemes), 2)); }
std::string Versions(const std::vector<int>& versions) { return Extension(43, Vector(List(versions), 1)); }

std::string Message(const std::vector<int>& suites, const std::string& extensions) {
  const std::string body = "\x03\x03" + std::string(32, 'r') + Vector("session", 1) + Vector(List(suites), 2) +
                           Vector(std::string(1, '\0'), 1) + Vector(extensions, 2);
  return "\x01" + Vector(body, 3);
}

// `message` in records of at most `bytes` octets.
std::string Records(const std::string& message, size_t bytes = 16'384) {
  std::string records;
  for (size_t at = 0; at < message.size(); at += bytes) {
    records += std::string("\x16\x03\x01") + Vector(message.substr(at, bytes), 2);
  }
  return records;
}

ClientHello Parse(const std::string& records) {
  ClientHello hello;
  EXPECT_EQ(ParseClientHello(records, hello), HelloStatus::kComplete);
  return hello;
}

constexpr int kGrease = 0x2a2a;
// As browsers and OpenSSL send it, GREASE included.
const std::string& Modern() {
  static const auto& message = *new std::string(
      Message({kGrease, 0x1301, 0x1302, 0xc02b, 0xc02f},
              Extension(kGrease, "") + ServerName("Mail.Example.NET.") + Extension(23, "") +
                  Groups({kGrease, 4588, 29, 23}) + Extension(16, "\x00\x05\x04smtp") +
                  Schemes({0x0403, 0x0804, 0x0401}) + Versions({kGrease, 0x0304, 0x0303}) + Extension(kGrease, "x")));
  return message;
}

TEST(ClientHelloTest, ReadsWhatAModernClientSends) {
  const ClientHello hello = Parse(Records(Modern()));
  EXPECT_EQ(hello.server_name, "mail.example.net");
  EXPECT_TRUE(hello.tls13);
  EXPECT_TRUE(hello.extended_master_secret);
  EXPECT_EQ(hello.keys13, (KeysTaken{.ecdsa_p256 = true, .rsa = true}));
  EXPECT_EQ(hello.keys12, (KeysTaken{.ecdsa_p256 = true, .rsa = true}));
}

TEST(ClientHelloTest, WantsMoreAtEachCutAndReadsTheSameFromRecordsOfAnySize) {
  const ClientHello whole = Parse(Records(Modern()));
  for (const size_t record_bytes : {1, 2, 3, 4, 5, 7, 64, 16'384}) {
    const std::string records = Records(Modern(), record_bytes);
    ClientHello hello;
    for (size_t cut = 0; cut < records.size(); cut++) {
      ASSERT_EQ(ParseClientHello(records.substr(0, cut), hello), HelloStatus::kNeedMore) << record_bytes << " " << cut;
    }
    EXPECT_EQ(Parse(records), whole) << record_bytes;
    EXPECT_EQ(Parse(records + "what follows is not looked at"), whole);
  }
}

TEST(ClientHelloTest, EveryTruncationOfTheBodyIsMalformedOrHarmless) {
  const std::string body = Modern().substr(4);
  for (size_t cut = 0; cut < body.size(); cut++) {
    ClientHello hello;
    const HelloStatus status = ParseClientHello(Records("\x01" + Vector(body.substr(0, cut), 3)), hello);
    // Only one without any extension is still a whole ClientHello.
    const size_t before_extensions = 2 + 32 + 8 + 2 + 10 + 2;
    EXPECT_EQ(status, cut == before_extensions ? HelloStatus::kComplete : HelloStatus::kMalformed) << cut;
  }
}

TEST(ClientHelloTest, RefusesWhatIsNoClientHello) {
  ClientHello hello;
  for (const char* text : {"EHLO", "GET / HTTP/1.1", "\x15\x03\x01", "\x80\x2e\x01\x03\x01"}) {
    EXPECT_EQ(ParseClientHello(text, hello), HelloStatus::kMalformed) << text;
  }
  EXPECT_EQ(ParseClientHello(std::string("\x16\x02", 2), hello), HelloStatus::kMalformed);
  EXPECT_EQ(ParseClientHello(std::string("\x16\x03\x01\x00\x00", 5), hello), HelloStatus::kMalformed);
  EXPECT_EQ(ParseClientHello(std::string("\x16\x03\x01\x40\x01", 5), hello), HelloStatus::kMalformed);
  EXPECT_EQ(ParseClientHello(std::string("\x16\x03\x01\x00\x05\x02", 6), hello), HelloStatus::kMalformed);
  // Another record type in the middle of the message.
  EXPECT_EQ(ParseClientHello(Records(Modern(), 50).substr(0, 55) + "\x17\x03\x03", hello), HelloStatus::kMalformed);
}

TEST(ClientHelloTest, IsBounded) {
  ClientHello hello;
  EXPECT_EQ(ParseClientHello(std::string("\x16\x03\x01\x40\x00\x01\x00\x40\x00", 9), hello), HelloStatus::kTooLong);
  // Within the bound by its own words, but padded out with record headers.
  const std::string padded = Records("\x01" + Vector(std::string(10'000, 'x'), 3), 1);
  EXPECT_EQ(ParseClientHello(padded.substr(0, kClientHelloBytesMax - 1), hello), HelloStatus::kNeedMore);
  EXPECT_EQ(ParseClientHello(padded.substr(0, kClientHelloBytesMax), hello), HelloStatus::kTooLong);
}

TEST(ClientHelloTest, TakesOnlyNamesThatCanBeHosts) {
  const auto name = [](const std::string& sent) { return Parse(Records(Message({0x1301}, ServerName(sent)))).server_name; };
  EXPECT_EQ(name("a_b-1.example"), "a_b-1.example");
  EXPECT_EQ(name(""), "");
  EXPECT_EQ(name("a b"), "");
  EXPECT_EQ(name(std::string("mail\0.example", 13)), "");
  EXPECT_EQ(name("*.example.net"), "");
  EXPECT_EQ(name("\xc3\xa9.example"), "");
  EXPECT_EQ(name(std::string(253, 'a')), std::string(253, 'a'));
  EXPECT_EQ(name(std::string(254, 'a')), "");
  EXPECT_EQ(Parse(Records(Message({0x1301}, ""))).server_name, "");
}

TEST(ClientHelloTest, TellsWhichKeysTheClientTakes) {
  struct Case {
    const char* what;
    std::vector<int> suites;
    std::string extensions;
    KeysTaken keys13;
    KeysTaken keys12;
  };
  const KeysTaken none, p256{.ecdsa_p256 = true}, p384{.ecdsa_p384 = true}, rsa{.rsa = true};
  const KeysTaken ecdsa{.ecdsa_p256 = true, .ecdsa_p384 = true};
  const Case cases[] = {
      {"TLS 1.2, both kinds", {0xc02f, 0xc02b}, Groups({23, 24}) + Schemes({0x0401, 0x0403}), p256,
       {.ecdsa_p256 = true, .ecdsa_p384 = true, .rsa = true}},
      {"TLS 1.2 without our ECDSA suites", {0xc02f, 0xc009}, Groups({23}) + Schemes({0x0401, 0x0403}), p256, rsa},
      {"TLS 1.2 with ECDSA on P-384 alone", {0xc02c}, Groups({24}) + Schemes({0x0503}), p384, p384},
      {"TLS 1.2, P-256 is not among the groups", {0xc02b}, Groups({29}) + Schemes({0x0403}), p256, none},
      {"TLS 1.2, no schemes listed", {0xcca9, 0xcca8}, Groups({23}), none, {.ecdsa_p256 = true, .rsa = true}},
      {"TLS 1.2, nothing listed", {0xc02b}, "", none, ecdsa},
      {"only PSS", {0x1301, 0xc030}, Groups({29}) + Schemes({0x0806}), rsa, rsa},
      {"RSA by PKCS#1 is not for TLS 1.3", {0x1301, 0xc030}, Schemes({0x0401}), none, rsa},
      {"only SHA-1", {0xc02b, 0xc02f}, Schemes({0x0201, 0x0203}), none, none},
      {"suites without forward secrecy", {0x009c, 0x002f}, "", none, none},
  };
  for (const Case& test : cases) {
    const ClientHello hello = Parse(Records(Message(test.suites, test.extensions)));
    EXPECT_EQ(hello.keys13, test.keys13) << test.what;
    EXPECT_EQ(hello.keys12, test.keys12) << test.what;
    EXPECT_FALSE(hello.tls13) << test.what;
    EXPECT_FALSE(hello.extended_master_secret) << test.what;
  }
}

}  // namespace
}  // namespace sluice::tls
