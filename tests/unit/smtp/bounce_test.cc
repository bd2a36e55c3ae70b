#include "core/smtp/bounce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::smtp {
namespace {

using testing::HasSubstr;
using testing::Not;

const BounceRecipient kRecipients[] = {
    {.address = "bob@example.org",
     .status = "5.1.1",
     .diagnostic = "550 5.1.1 no such user",
     .remote_mta = "mx.example.org"},
    {.address = "carol@example.com", .status = "4.4.7", .diagnostic = "expired after 5 days"},
};

BounceInfo Example() {
  return {.hostname = "submit.example.net",
          .bounce_id = "ID2",
          .date = "Tue, 24 Nov 2026 03:58:29 +0000",
          .sender = "alice@example.net",
          .original_id = "ID1",
          .arrived = WallFromMillis(0),
          .recipients = kRecipients,
          .original = "Received: x\r\nSubject: y\r\n\r\nbody\r\n"};
}

std::string Bounce(const BounceInfo& info) {
  Buffer out;
  AppendBounce(info, out);
  return std::string(out.view());
}

TEST(BounceTest, IsAMultipartReport) {
  EXPECT_EQ(
      Bounce(Example()),
      "From: Mail Delivery System <MAILER-DAEMON@submit.example.net>\r\n"
      "To: <alice@example.net>\r\n"
      "Subject: Undelivered mail returned to sender\r\n"
      "Date: Tue, 24 Nov 2026 03:58:29 +0000\r\n"
      "Message-ID: <ID2@submit.example.net>\r\n"
      "Auto-Submitted: auto-replied\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: multipart/report; report-type=delivery-status;\r\n"
      "\tboundary=\"=_sluice_ID2\"\r\n"
      "\r\n"
      "--=_sluice_ID2\r\n"
      "Content-Type: text/plain; charset=us-ascii\r\n"
      "\r\n"
      "This is the mail system at host submit.example.net.\r\n"
      "\r\n"
      "Your message could not be delivered to the recipients below. No further attempt will be\r\n"
      "made for them. Its header section is attached.\r\n"
      "\r\n"
      "<bob@example.org>:\r\n"
      "    host mx.example.org said: 550 5.1.1 no such user\r\n"
      "<carol@example.com>:\r\n"
      "    expired after 5 days\r\n"
      "\r\n"
      "--=_sluice_ID2\r\n"
      "Content-Type: message/delivery-status\r\n"
      "\r\n"
      "Reporting-MTA: dns; submit.example.net\r\n"
      "X-Sluice-Queue-ID: ID1\r\n"
      "Arrival-Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
      "\r\n"
      "Final-Recipient: rfc822; bob@example.org\r\n"
      "Action: failed\r\n"
      "Status: 5.1.1\r\n"
      "Remote-MTA: dns; mx.example.org\r\n"
      "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
      "\r\n"
      "Final-Recipient: rfc822; carol@example.com\r\n"
      "Action: failed\r\n"
      "Status: 4.4.7\r\n"
      "Diagnostic-Code: X-Sluice; expired after 5 days\r\n"
      "\r\n"
      "--=_sluice_ID2\r\n"
      "Content-Type: text/rfc822-headers\r\n"
      "\r\n"
      "Received: x\r\n"
      "Subject: y\r\n"
      "\r\n"
      "--=_sluice_ID2--\r\n");
}

TEST(BounceTest, PeersCannotAddFieldsOrEndParts) {
  const BounceRecipient recipient[] = {{.address = "bob@example.org",
                                        .diagnostic = "550 no\r\n\r\n--=_sluice_ID2--\r\nX: y",
                                        .remote_mta = "mx\r\nX: z"}};
  BounceInfo info = Example();
  info.recipients = recipient;
  info.original = "Subject: --=_sluice_ID2\r\n--=_sluice_ID2--: x\r\n\r\n";
  const std::string text = Bounce(info);
  EXPECT_THAT(text, Not(HasSubstr("\r\nX: ")));
  EXPECT_THAT(text, HasSubstr("boundary=\"=_sluice_ID2_\""));
  EXPECT_THAT(text, Not(HasSubstr("\r\n--=_sluice_ID2\r\n")));
  EXPECT_THAT(text, HasSubstr("Status: 5.0.0\r\n"));
}

TEST(BounceTest, IsBoundedWhateverFails) {
  const std::string long_reply = "550 5.1.1 " + std::string(2000, 'x');
  const std::string long_address = std::string(64, 'a') + "@" + std::string(189, 'b');
  BounceInfo info = Example();
  std::string original;
  while (original.size() < 2 * kBounceHeaderBytesMax) original += "X-Field: some value of it\r\n";
  info.original = original;
  info.sender = long_address;
  for (const size_t count : {1, 10, 100, 1000, 65'535}) {
    const std::vector<BounceRecipient> recipients(
        count, {.address = long_address, .status = "5.1.1", .diagnostic = long_reply, .remote_mta = "192.0.2.1:25"});
    info.recipients = recipients;
    const std::string text = Bounce(info);
    EXPECT_LE(text.size(), kBounceBytesMax) << count;
    EXPECT_THAT(text, HasSubstr("--=_sluice_ID2--\r\n"));
    const bool all = text.find(" more recipients") == std::string::npos;
    EXPECT_EQ(all, count <= 10) << count;
  }
}

TEST(BounceTest, ManyRecipientsAreNamedWithShorterWords) {
  const std::string reply = "550 5.1.1 " + std::string(500, 'x');
  const std::vector<BounceRecipient> recipients(50, {.address = "bob@example.org", .diagnostic = reply});
  BounceInfo info = Example();
  info.recipients = recipients;
  const std::string text = Bounce(info);
  EXPECT_THAT(text, Not(HasSubstr(" more recipients")));
  size_t named = 0;
  for (size_t at = 0; (at = text.find("Final-Recipient:", at)) != std::string::npos; at++) named++;
  EXPECT_EQ(named, 50u);
}

TEST(BounceTest, ReturnsOnlyWholeLinesOfABoundedHeader) {
  BounceInfo info = Example();
  std::string original;
  while (original.size() < 2 * kBounceHeaderBytesMax) original += "X-Field: some value of it\r\n";
  info.original = original;
  const std::string text = Bounce(info);
  EXPECT_LT(text.size(), kBounceHeaderBytesMax + 4000);
  EXPECT_THAT(text, HasSubstr("X-Field: some value of it\r\n\r\n--=_sluice_ID2--\r\n"));

  info.original = "Subject: \xc3\xbc\r\n";
  EXPECT_THAT(Bounce(info), HasSubstr("8bit"));
  info.original = "";
  EXPECT_THAT(Bounce(info), HasSubstr("text/rfc822-headers\r\n\r\n\r\n--"));
}

}  // namespace
}  // namespace sluice::smtp
