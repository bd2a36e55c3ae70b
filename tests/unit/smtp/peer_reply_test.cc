#include "core/smtp/peer_reply.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/smtp/limits.h"
#include "tests/unit/smtp/cuts.h"

namespace sluice::smtp {
namespace {

// "code|text" for each reply, "bad" where reading stopped.
std::vector<std::string> Replies(const Pieces& pieces) {
  PeerReply reply;
  std::vector<std::string> replies;
  for (ByteView piece : pieces) {
    while (true) {
      const PeerReply::Result result = reply.Next(piece);
      if (result == PeerReply::Result::kPartial) break;
      if (result == PeerReply::Result::kMalformed) {
        replies.push_back("bad");
        return replies;
      }
      if (result == PeerReply::Result::kComplete) {
        replies.push_back(std::to_string(reply.code()) + "|" + std::string(reply.text()));
      }
    }
    EXPECT_TRUE(piece.empty());
  }
  return replies;
}

TEST(PeerReplyTest, ReadsReplies) {
  const struct {
    ByteView input;
    std::vector<std::string> replies;
  } kCases[] = {
      {"", {}},
      {"250 Ok", {}},
      {"250 Ok\r\n", {"250|Ok"}},
      {"250 Ok\n", {"250|Ok"}},
      {"250\r\n", {"250|"}},
      {"250 \r\n", {"250|"}},
      {"250-a\r\n250-b\r\n250 c\r\n", {"250|a b c"}},
      {"250-\r\n250\r\n", {"250| "}},
      {"220 x\r\n250 y\r\n354 z\r\n", {"220|x", "250|y", "354|z"}},
      {"550 5.1.1 <x>: \xc3\xbc\tno\r\n", {"550|5.1.1 <x>: ???no"}},
      {"\r\n", {"bad"}},
      {"25\r\n", {"bad"}},
      {"150 x\r\n", {"bad"}},
      {"650 x\r\n", {"bad"}},
      {"2x0 x\r\n", {"bad"}},
      {"250x\r\n", {"bad"}},
      {"250-a\r\n251 b\r\n", {"bad"}},
      {"250-a\r\nb\r\n", {"bad"}},
      {"SSH-2.0-OpenSSH\r\n", {"bad"}},
  };
  for (const auto& test : kCases) {
    ForEachCut(test.input, [&](const Pieces& pieces) {
      EXPECT_EQ(Replies(pieces), test.replies) << test.input;
    });
  }
}

TEST(PeerReplyTest, IsBounded) {
  const std::string line = "250-" + std::string(10000, 'x') + "\r\n";
  const std::string text = line + line + "250 end\r\n";
  const std::string expected = "250|" + std::string(kPeerReplyTextBytesMax, 'x');
  EXPECT_EQ(Replies({text}), std::vector{expected});
  EXPECT_EQ(Replies(EveryOctet(text)), std::vector{expected});

  std::string lines;
  for (uint32_t i = 1; i < kPeerReplyLinesMax; i++) lines += "250-x\r\n";
  EXPECT_EQ(Replies({lines + "250 y\r\n"}).size(), 1u);
  EXPECT_NE(Replies({lines + "250 y\r\n"})[0], "bad");
  EXPECT_EQ(Replies({lines + "250-x\r\n250 y\r\n"}), std::vector<std::string>{"bad"});
}

TEST(PeerReplyTest, FindsEnhancedStatus) {
  const struct {
    ByteView input;
    EnhancedStatus status;
  } kCases[] = {
      {"550 5.1.1 no\r\n", {5, 1, 1}}, {"421 4.7.0\r\n", {4, 7, 0}},
      {"250 2.0.0 Ok\r\n", {2, 0, 0}}, {"550-5.7.26 a\r\n550 5.7.1 b\r\n", {5, 7, 26}},
      {"550 4.1.1 no\r\n", {}},        {"550 5.1 no\r\n", {}},
      {"550 5.1.1no\r\n", {}},         {"550 no 5.1.1\r\n", {}},
      {"550 5.1.1234 no\r\n", {}},     {"550 5.-1.1 no\r\n", {}},
      {"550 5..1 no\r\n", {}},         {"550\r\n", {}},
  };
  for (const auto& test : kCases) {
    PeerReply reply;
    ByteView input = test.input;
    while (reply.Next(input) == PeerReply::Result::kLine) continue;
    EXPECT_EQ(reply.enhanced(), test.status) << test.input;
  }
  ByteView text = "5.1.1 no such user";
  EXPECT_EQ(TakeEnhancedStatus(text, 5), (EnhancedStatus{5, 1, 1}));
  EXPECT_EQ(text, "no such user");
}

}  // namespace
}  // namespace sluice::smtp
