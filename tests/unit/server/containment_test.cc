#include "core/server/containment.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

const std::string kSecret(32, 's');
constexpr WallTime kNow = WallFromMillis(1'800'000'000'000);

class ContainmentTest : public testing::Test {
 protected:
  ContainmentTest() {
    char name[] = "/tmp/sluice-containment-XXXXXX";
    folder_ = mkdtemp(name);
    options_.learn = Duration(0);
  }
  ~ContainmentTest() override { std::filesystem::remove_all(folder_); }

  void Start() {
    std::string note;
    domains_.reset();
    domains_ = std::make_unique<KnownDomains>(folder_ + "/domains", 64, 7, note);
    EXPECT_EQ(note, "");
    containment_ = std::make_unique<Containment>(
        options_, meters_, domains_.get(), [this](ByteView login, const std::string& why) {
          suspended_.push_back(absl::StrCat(login, ": ", why));
        });
  }
  void Send(const std::string& login, const std::vector<std::string>& recipients,
            WallTime now = kNow) {
    smtp::AddressList list;
    for (const std::string& recipient : recipients) list.Add(recipient);
    containment_->OnMessage(login, list, now);
  }

  std::string folder_;
  ContainmentOptions options_;
  auth::Meters meters_{kSecret, 1024};
  std::unique_ptr<KnownDomains> domains_;
  std::unique_ptr<Containment> containment_;
  std::vector<std::string> suspended_;
};

TEST_F(ContainmentTest, OffByDefault) {
  Start();
  for (int i = 0; i < 10'000; i++) {
    containment_->OnOverLimit("ann", kNow);
    containment_->OnRecipients("ann", 0, 10, kNow);
    Send("ann", {absl::StrCat("x@d", i, ".example")});
  }
  EXPECT_TRUE(suspended_.empty());
}

TEST_F(ContainmentTest, WhoIsOverLimitsAgainAndAgain) {
  options_.over_limit = 3;
  Start();
  for (int i = 0; i < 3; i++) containment_->OnOverLimit("ann", kNow);
  for (int i = 0; i < 100; i++) containment_->OnOverLimit("", kNow);
  containment_->OnOverLimit("bob", kNow);
  EXPECT_TRUE(suspended_.empty());
  containment_->OnOverLimit("ann", kNow + hours(2));
  EXPECT_TRUE(suspended_.empty()) << "an hour";
  for (int i = 0; i < 3; i++) containment_->OnOverLimit("ann", kNow + hours(2));
  EXPECT_EQ(suspended_, std::vector<std::string>{"ann: more than 3 times over a limit in an hour"});
  containment_->OnOverLimit("ann", kNow + hours(2));
  EXPECT_EQ(suspended_.size(), 1u) << "once, until it has done as much again";
}

TEST_F(ContainmentTest, WhoseRecipientsAreRefused) {
  options_.bounce_percent = 30;
  options_.bounce_recipients = 20;
  Start();
  containment_->OnRecipients("new", 0, 19, kNow);
  containment_->OnRecipients("good", 1000, 0, kNow);
  for (int i = 0; i < 30; i++) containment_->OnRecipients("good", 1, 10, kNow);  // 300 of 1330
  EXPECT_TRUE(suspended_.empty());
  containment_->OnRecipients("list", 70, 0, kNow);
  containment_->OnRecipients("list", 0, 30, kNow);
  EXPECT_TRUE(suspended_.empty()) << "30 percent are not more than 30";
  containment_->OnRecipients("list", 0, 2, kNow);
  EXPECT_EQ(suspended_,
            std::vector<std::string>{
                "list: 32 of 102 recipients in an hour refused for good, more than 30 percent"});
  containment_->OnRecipients("new", 0, 1, kNow);
  EXPECT_EQ(suspended_.size(), 2u);
}

TEST_F(ContainmentTest, WhoSendsToManyNewDomains) {
  options_.new_domains = 20;
  Start();
  std::vector<std::string> usual;
  for (int i = 0; i < 20; i++) usual.push_back(absl::StrCat("x@usual", i, ".example"));
  Send("ann", usual);
  EXPECT_TRUE(suspended_.empty());
  for (int hour = 1; hour < 300; hour++) {  // whole weeks of the same
    Start();                                // and the table outlives each
    Send("ann", usual, kNow + hours(hour));
    Send("ann", {"X@USUAL1.Example"}, kNow + hours(hour));
  }
  EXPECT_TRUE(suspended_.empty());
  const WallTime later = kNow + hours(300);
  for (int i = 0; i < 40 && suspended_.empty(); i++)
    Send("ann", {absl::StrCat("x@new", i, ".example")}, later);
  ASSERT_EQ(suspended_.size(), 1u);
  EXPECT_EQ(suspended_[0],
            "ann: recipients of more than 20 domains in an hour that it did not send to before");
  for (int i = 0; i < 20; i++)
    Send("bob", {absl::StrCat("x@new", i, ".example")}, later + hours(2 * i));
  EXPECT_EQ(suspended_.size(), 1u) << "one in two hours";
}

TEST_F(ContainmentTest, WhatIsLearntDoesNotCount) {
  options_.new_domains = 20;
  options_.learn = hours(24);
  Start();
  for (int i = 0; i < 200; i++)
    Send("ann", {absl::StrCat("x@d", i, ".example")}, kNow + minutes(i));
  EXPECT_TRUE(suspended_.empty());
  for (int i = 0; i < 100 && suspended_.empty(); i++) {
    Send("ann", {absl::StrCat("x@e", i, ".example")}, kNow + hours(25));
  }
  EXPECT_EQ(suspended_.size(), 1u);
}

TEST(KnownDomainsTest, CountsAboutAsManyAsThereAre) {
  std::string note;
  KnownDomains domains("/nonexistent/domains", 64, 7, note);
  EXPECT_NE(note.find("/nonexistent/domains"), std::string::npos) << "in memory, then";
  uint64_t found = 0, seed = 0x9e3779b97f4a7c15;
  const auto hash = [&] {
    return seed = seed * 6364136223846793005 + 1442695040888963407, seed >> 20;
  };
  for (int i = 0; i < 300; i++) found += domains.Note(1 << 8, hash(), Duration(0), kNow);
  EXPECT_GT(found, 220u);
  EXPECT_LT(found, 380u);
  const auto others = [&](WallTime when) {
    int kept = 0;
    for (uint64_t login = 2; login < 200; login++)
      kept += domains.Note(login << 8, 1, Duration(0), when) > 0;
    return kept;
  };
  EXPECT_EQ(others(kNow + KnownDomains::kPeriod), 63) << "nobody is pushed out";
  EXPECT_EQ(others(kNow + 4 * KnownDomains::kPeriod), 64) << "who has not sent for weeks is";
}

TEST(KnownDomainsTest, AFileOfAnotherSizeOrKeyIsBegunAnew) {
  char name[] = "/tmp/sluice-domains-XXXXXX";
  const std::string path = std::string(mkdtemp(name)) + "/domains";
  const auto is_new = [&](uint32_t lines, uint64_t check) {
    std::string note;
    KnownDomains domains(path, lines, check, note);
    EXPECT_EQ(note, "");
    return domains.Note(99, 5, Duration(0), kNow) > 0;
  };
  EXPECT_TRUE(is_new(64, 1));
  EXPECT_FALSE(is_new(64, 1));
  EXPECT_TRUE(is_new(128, 1));
  EXPECT_TRUE(is_new(128, 2));
  EXPECT_FALSE(is_new(128, 2));
  std::filesystem::resize_file(path, 100);
  EXPECT_TRUE(is_new(128, 2));
  std::filesystem::remove_all(std::filesystem::path(path).parent_path());
}

}  // namespace
}  // namespace sluice::server
