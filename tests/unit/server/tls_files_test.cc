#include "core/server/tls_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "tests/support/freed_memory.h"
#include "tls/hooks.h"
#include "tls/self_signed.h"

namespace sluice::server {
namespace {

class TlsFilesTest : public testing::Test {
 protected:
  TlsFilesTest() {
    char name[] = "/tmp/tls_files_test.XXXXXX";
    dir_ = mkdtemp(name);
    options_.state_dir = dir_;
    EXPECT_TRUE(tls::Init().ok());
  }
  ~TlsFilesTest() override { std::filesystem::remove_all(dir_); }

  // Adds a [[certificate]]; returns a part of its key as the file has it.
  std::string AddCertificate() {
    const auto pem = tls::MakeSelfSigned({.names = {"mail.example.net"}});
    EXPECT_TRUE(pem.ok());
    CertificateOptions certificate{dir_ + "/chain.pem", dir_ + "/key.pem"};
    EXPECT_TRUE(WriteFile(certificate.chain, pem->chain, 0644).ok());
    EXPECT_TRUE(WriteFile(certificate.key, pem->key, 0600).ok());
    options_.certificate.push_back(certificate);
    return pem->key.substr(60, 40);
  }

  std::string dir_;
  Options options_;
};

TEST_F(TlsFilesTest, AFileIsReadWhole) {
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{100'000}}) {
    const std::string text(bytes, 'x');
    ASSERT_TRUE(WriteFile(dir_ + "/f", text, 0600).ok());
    EXPECT_EQ(*ReadFile(dir_ + "/f"), text);
  }
  EXPECT_GT(ReadFile("/proc/self/maps")->size(), 0u);  // its size is said to be 0
  EXPECT_TRUE(absl::IsNotFound(ReadFile(dir_ + "/none").status()));
}

TEST_F(TlsFilesTest, ReadingLeavesNoCopyBehind) {
  if (!FreedMemory::Works()) GTEST_SKIP();
  const std::string secret = "a secret of more octets than fit in a string by themselves";
  ASSERT_TRUE(WriteFile(dir_ + "/f", "x" + secret + std::string(50'000, 'x'), 0600).ok());
  auto bytes = ReadFile(dir_ + "/f");
  {
    const FreedMemory freed(secret);
    bytes = ReadFile(dir_ + "/f");
    EXPECT_EQ(freed.found(), 1) << "the old value alone: it shows that the test sees something";
  }
}

TEST_F(TlsFilesTest, PrivateKeysAreWiped) {
  if (!FreedMemory::Works()) GTEST_SKIP();
  const std::string secret = AddCertificate();
  const FreedMemory freed(secret);
  EXPECT_TRUE(LoadTls(options_, nullptr, 2).ok());
  EXPECT_EQ(freed.found(), 0);
}

TEST_F(TlsFilesTest, PrivateKeysAreWipedWhenAnotherOneFails) {
  if (!FreedMemory::Works()) GTEST_SKIP();
  const std::string secret = AddCertificate();
  options_.certificate.push_back({dir_ + "/chain.pem", dir_ + "/none"});
  const FreedMemory freed(secret);
  EXPECT_TRUE(absl::IsNotFound(LoadTls(options_, nullptr, 1).status()));
  EXPECT_EQ(freed.found(), 0);
}

TEST_F(TlsFilesTest, TicketKeysAreWiped) {
  if (!FreedMemory::Works()) GTEST_SKIP();
  const WallTime now = WallFromMillis(1'800'000'000'000);
  ASSERT_TRUE(LoadTicketKeys(options_, now).ok());
  const std::string secret =
      ReadFile(dir_ + "/ticket.keys")->substr(32, 32);  // the first key, behind its name
  const FreedMemory freed(secret);
  EXPECT_TRUE(LoadTicketKeys(options_, now).ok());              // read
  EXPECT_TRUE(LoadTicketKeys(options_, now + hours(13)).ok());  // and written
  EXPECT_EQ(freed.found(), 0);
}

}  // namespace
}  // namespace sluice::server
