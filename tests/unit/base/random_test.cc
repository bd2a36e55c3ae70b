#include "core/base/random.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <thread>

extern "C" int sluice_random_block(unsigned char* out, unsigned bytes);

namespace sluice {
namespace {

std::string Draw(size_t bytes) {
  std::string octets(bytes, '\0');
  FillRandom(octets.data(), bytes);
  return octets;
}

// Every size up to beyond what a thread keeps in reserve: nothing comes twice, and every octet is
// written.
TEST(RandomTest, NothingComesTwice) {
  std::set<std::string> seen;
  for (int round = 0; round < 4; ++round) {
    for (size_t bytes = 16; bytes <= 600; ++bytes) {
      const std::string octets = Draw(bytes);
      for (size_t at = 0; at + 16 <= bytes; at += 16)
        EXPECT_TRUE(seen.insert(octets.substr(at, 16)).second) << bytes;
    }
  }
}

TEST(RandomTest, EveryOctetOfARequestIsDrawn) {
  for (const size_t bytes : {1u, 2u, 31u, 127u, 128u, 129u, 511u, 512u, 513u, 2000u}) {
    std::string any(bytes, '\0');  // of 64 draws: an octet that stays zero was never written
    for (int draw = 0; draw < 64; ++draw) {
      const std::string octets = Draw(bytes);
      for (size_t i = 0; i < bytes; ++i) any[i] = static_cast<char>(any[i] | octets[i]);
    }
    EXPECT_EQ(any.find('\0'), std::string::npos) << bytes;
  }
}

TEST(RandomTest, ThreadsDrawDifferentOctets) {
  std::string first, second;
  std::thread([&first] { first = Draw(32); }).join();
  std::thread([&second] { second = Draw(32); }).join();
  EXPECT_NE(first, second);
}

TEST(RandomTest, TheLibraryDrawsFromTheInstalledSource) {
  InstallRandom([](char* out, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(i + 1);
  });
  unsigned char octets[3] = {};
  EXPECT_EQ(sluice_random_block(octets, sizeof octets), 0);
  InstallRandom(nullptr);
  EXPECT_EQ(octets[0], 1);
  EXPECT_EQ(octets[2], 3);
  unsigned char zeros[32] = {}, drawn[32] = {};
  EXPECT_EQ(sluice_random_block(drawn, sizeof drawn), 0);
  EXPECT_NE(memcmp(drawn, zeros, sizeof drawn), 0);
}

}  // namespace
}  // namespace sluice
