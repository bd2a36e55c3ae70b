// Replies, trace fields, dot-stuffing: what goes out.
#include <gtest/gtest.h>

#include <string>

#include "core/base/prng.h"
#include "core/smtp/address_list.h"
#include "core/smtp/body_reader.h"
#include "core/smtp/dot_stuff.h"
#include "core/smtp/reply.h"
#include "core/smtp/trace.h"
#include "tests/unit/smtp/cuts.h"

namespace sluice::smtp {
namespace {

TEST(ReplyTest, ChecksLines) {
  EXPECT_TRUE(IsReplyLine("250 2.0.0 Ok\r\n"));
  EXPECT_TRUE(IsReplyLine("354 go on\r\n"));
  EXPECT_FALSE(IsReplyLine("250 5.0.0 Ok\r\n"));
  EXPECT_FALSE(IsReplyLine("250-2.0.0 Ok\r\n"));
  EXPECT_FALSE(IsReplyLine("250 2.0.0 Ok\n"));
  EXPECT_FALSE(IsReplyLine("650 6.0.0 Ok\r\n"));
  EXPECT_FALSE(IsReplyLine("250 a\rb\r\n"));
  EXPECT_FALSE(IsReplyLine("250 " + std::string(507, 'x') + "\r\n"));
  EXPECT_EQ(reply::kAuthFirst.code(), 530);
  EXPECT_TRUE(reply::kAuthFirst.permanent());
  EXPECT_TRUE(reply::kSpoolFull.transient());
  EXPECT_TRUE(reply::kStartMail.positive());
}

TEST(ReplyTest, FormatsPeerTextHarmlessly) {
  Buffer out;
  out.Append("before\r\n");
  const Reply reply = FormatReply(553, "5.7.1", "<a@b>\r\n250 Ok\xc3\xbc\x7f", out);
  EXPECT_EQ(reply.line, "553 5.7.1 <a@b>??250 Ok???\r\n");
  EXPECT_EQ(out.view(), "before\r\n553 5.7.1 <a@b>??250 Ok???\r\n");
  EXPECT_EQ(FormatReply(553, "5.7.1", std::string(1000, 'x'), out).line.size(), kReplyLineBytesMax);
}

TEST(DateTextTest, FormatsUtc) {
  DateText date;
  EXPECT_EQ(date.At(WallFromMillis(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(date.At(WallFromMillis(999)), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(date.At(WallFromMillis(951782400000)), "Tue, 29 Feb 2000 00:00:00 +0000");
  EXPECT_EQ(date.At(WallFromMillis(1795492709999)), "Tue, 24 Nov 2026 03:58:29 +0000");
  EXPECT_EQ(date.At(WallFromMillis(-1000)), "Wed, 31 Dec 1969 23:59:59 +0000");
}

TraceInfo Example() {
  return {.helo = "laptop.example",
          .client_ip = "192.0.2.1",
          .hostname = "submit.example.net",
          .queue_id = "ID42",
          .date = "Tue, 24 Nov 2026 03:58:29 +0000",
          .tls_version = "TLSv1.3",
          .tls_cipher = "TLS_AES_256_GCM_SHA384",
          .authenticated = true};
}

std::string Trace(const TraceInfo& info) {
  Buffer out;
  AppendTrace(info, out);
  return std::string(out.view());
}

TEST(TraceTest, ReceivedLine) {
  EXPECT_EQ(
      Trace(Example()),
      "Received: from laptop.example ([192.0.2.1])\r\n"
      "\tby submit.example.net (Sluice) with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384) id ID42;\r\n"
      "\tTue, 24 Nov 2026 03:58:29 +0000\r\n");
  TraceInfo info = Example();
  info.client_ip = "2001:db8::1";
  info.tls_version = info.tls_cipher = {};
  info.authenticated = false;
  EXPECT_EQ(Trace(info),
            "Received: from laptop.example ([IPv6:2001:db8::1])\r\n"
            "\tby submit.example.net (Sluice) with ESMTP id ID42;\r\n"
            "\tTue, 24 Nov 2026 03:58:29 +0000\r\n");
}

TEST(TraceTest, AddsWhatIsMissing) {
  TraceInfo info = Example();
  const std::string received = Trace(info);
  info.add_date = info.add_message_id = info.add_separator = true;
  EXPECT_EQ(Trace(info), received +
                             "Date: Tue, 24 Nov 2026 03:58:29 +0000\r\n"
                             "Message-ID: <ID42@submit.example.net>\r\n\r\n");
}

TEST(TraceTest, TransmissionTypes) {  // RFC 3848
  EXPECT_EQ(TransmissionType(false, false, false), "SMTP");
  EXPECT_EQ(TransmissionType(true, false, false), "ESMTP");
  EXPECT_EQ(TransmissionType(true, true, false), "ESMTPS");
  EXPECT_EQ(TransmissionType(true, false, true), "ESMTPA");
  EXPECT_EQ(TransmissionType(true, true, true), "ESMTPSA");
}

std::string Stuffed(const Pieces& pieces) {
  DotStuffer stuffer;
  Buffer out;
  for (ByteView piece : pieces) stuffer.Append(piece, out);
  stuffer.Finish(out);
  return std::string(out.view());
}

TEST(DotStufferTest, DoublesDotsAndEnds) {
  const struct {
    ByteView content;
    ByteView stuffed;
  } kCases[] = {
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {".", "..\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {"a.b\r\n.c\r\n..d\r\n", "a.b\r\n..c\r\n...d\r\n.\r\n"},
      {"\r\n.\r\n", "\r\n..\r\n.\r\n"},
  };
  for (const auto& test : kCases) {
    ForEachCut(test.content,
               [&](const Pieces& pieces) { EXPECT_EQ(Stuffed(pieces), test.stuffed); });
  }
}

TEST(DotStufferTest, IsWhatBodyReaderUndoes) {
  Prng prng(2);
  for (int round = 0; round < 2000; round++) {
    std::string content;
    for (uint64_t lines = prng.Below(20); lines > 0; lines--) {
      content.append(prng.Below(3), '.');
      content.append(prng.Below(40), 'x');
      content.append(prng.Below(2), '.');
      content += "\r\n";
    }
    const size_t cut = prng.Below(content.size() + 1);
    const std::string wire =
        Stuffed({ByteView(content).substr(0, cut), ByteView(content).substr(cut)});
    BodyReader reader({.bare_lf = BareLf::kReject});
    Buffer out;
    ByteView input = wire;
    ASSERT_TRUE(reader.Read(input, out));
    ASSERT_TRUE(input.empty());
    ASSERT_EQ(out.view(), content);
  }
}

TEST(AddressListTest, AddsRemovesIterates) {
  AddressList list;
  EXPECT_TRUE(list.begin() == list.end());
  list.Add("a@example.net");
  list.Add("");
  list.Add("b@example.net");
  list.RemoveLast();
  list.Add("c@example.net");
  EXPECT_EQ(list.last(), "c@example.net");
  std::string all;
  for (ByteView address : list) all += std::string(address) + ";";
  EXPECT_EQ(all, "a@example.net;;c@example.net;");
  EXPECT_EQ(list.size(), 3u);
  list.Clear();
  EXPECT_TRUE(list.empty());
  EXPECT_GT(list.capacity(), 0u);
}

}  // namespace
}  // namespace sluice::smtp
