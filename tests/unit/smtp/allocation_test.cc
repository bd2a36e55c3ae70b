// A session that has warmed up takes a message without asking for memory. This program's malloc
// counts.
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/smtp/session.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)

namespace {
size_t allocations = 0;
}

extern "C" void* __libc_malloc(size_t bytes);
extern "C" void* malloc(size_t bytes) {
  allocations++;
  return __libc_malloc(bytes);
}

namespace sluice::smtp {
namespace {

void TakeMessage(Session& session, Buffer& replies) {
  ByteView input =
      "MAIL FROM:<alice@example.net> SIZE=40\r\nRCPT TO:<bob@example.org>\r\n"
      "RCPT TO:<carol@example.org>\r\nNOOP\r\nDATA\r\n";
  for (int round = 0; round < 2; round++) {
    Effect effect;
    while ((effect = session.OnInput(input, replies)) != Effect::kNone) {
      if (effect == Effect::kMessage) {
        session.Committed("ID", replies);
      } else {
        session.Accept(replies);
      }
    }
    input = "Subject: x\r\nBcc: y\r\n\r\n..text\r\n.\r\nRSET\r\n";
  }
}

TEST(AllocationTest, AWarmSessionAllocatesNothing) {
  SessionOptions options;
  options.hostname = "submit.example.net";
  options.require_auth = false;
  const SessionConfig config(options);
  TransactionPool pool;
  Session session(config, pool, false);
  Buffer replies;
  ByteView input = "EHLO client.example\r\n";
  ASSERT_EQ(session.OnInput(input, replies), Effect::kNone);
  TakeMessage(session, replies);
  replies.Clear();

  const size_t before = allocations;
  EXPECT_GT(before, 0u) << "this malloc is not the one in use";
  for (int i = 0; i < 10; i++) {
    TakeMessage(session, replies);
    replies.Clear();
  }
  EXPECT_EQ(allocations - before, 0u);
}

}  // namespace
}  // namespace sluice::smtp

#endif
