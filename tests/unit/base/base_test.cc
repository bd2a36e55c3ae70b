// The bottom of everything: checksums against published vectors, base64 against RFC 4648, and the containers
// against plain models.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/base/base64.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/base/hex.h"
#include "core/base/intrusive_list.h"
#include "core/base/mailbox.h"
#include "core/base/prng.h"
#include "core/base/slab.h"
#include "core/base/sock_addr.h"

namespace sluice {
namespace {

TEST(Crc32cTest, MatchesRfc3720Vectors) {
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(0, "123456789"), 0xe3069283u);
}

TEST(Crc32cTest, HardwareAndTableAgreeOnEveryLengthAndSplit) {
  Prng prng(1);
  std::string bytes;
  for (int i = 0; i < 10'000; i++) bytes.push_back(static_cast<char>(prng.Next()));
  for (size_t length : {0, 1, 7, 8, 9, 1023, 3071, 3072, 3073, 6144, 9999}) {
    const ByteView view = ByteView(bytes).substr(1, length);
    const uint32_t whole = Crc32cPortable(0, view);
    EXPECT_EQ(Crc32c(0, view), whole) << length;
    const size_t cut = length / 3;
    EXPECT_EQ(Crc32c(Crc32c(0, view.substr(0, cut)), view.substr(cut)), whole) << length;
  }
}

TEST(Base64Test, Rfc4648Vectors) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, text] : kCases) {
    EXPECT_EQ(Base64Encode(plain), text);
    char out[16];
    const ptrdiff_t bytes = Base64Decode(text, out);
    ASSERT_GE(bytes, 0) << text;
    EXPECT_EQ(ByteView(out, static_cast<size_t>(bytes)), plain);
  }
}

TEST(Base64Test, RefusesWhatIsNotCanonical) {
  char out[64];
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm8=Zm8=", "Zm 8", "Zm8\n", "Zm-_",
                           "=m8=", "Zm=v"}) {
    EXPECT_EQ(Base64Decode(text, out), -1) << text;
  }
}

TEST(Base64Test, UrlFormHasNoPaddingAndIsCanonical) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", ""},         {"f", "Zg"},         {"fo", "Zm8"},        {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"\xfb\xff\xbf", "-_-_"},
  };
  for (const auto& [plain, text] : kCases) {
    char out[16];
    const ptrdiff_t bytes = Base64UrlDecode(text, out);
    ASSERT_GE(bytes, 0) << text;
    EXPECT_EQ(ByteView(out, static_cast<size_t>(bytes)), plain);
    EXPECT_EQ(static_cast<size_t>(bytes), Base64UrlDecodedBytesMax(ByteView(text).size()));
  }
  char out[64];
  for (const char* text : {"Z", "Zg==", "Zm8=", "Zh", "Zm9", "Zm9vY", "+/+/", "Zm 8", "Zm8\n", "Zg.", "="}) {
    EXPECT_EQ(Base64UrlDecode(text, out), -1) << text;
  }
}

TEST(Base64Test, AllOctetsComeBack) {
  std::string all;
  for (int i = 0; i < 256; i++) all.push_back(static_cast<char>(i));
  for (size_t length = 0; length <= 256; length++) {
    const std::string text = Base64Encode(ByteView(all).substr(0, length));
    std::string out(Base64DecodedBytesMax(text.size()), '\0');
    const ptrdiff_t bytes = Base64Decode(text, out);
    EXPECT_EQ(ByteView(out).substr(0, static_cast<size_t>(bytes)), ByteView(all).substr(0, length));
  }
}

TEST(BytesTest, ConstantTimeEqualsIsEquality) {
  EXPECT_TRUE(ConstantTimeEquals("", ""));
  EXPECT_TRUE(ConstantTimeEquals("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "ab"));
}

TEST(BufferTest, BehavesLikeAString) {
  Prng prng(7);
  Buffer buffer;
  std::string model;
  for (int step = 0; step < 20'000; step++) {
    switch (prng.Below(4)) {
      case 0: {
        const std::string more(prng.Below(700), static_cast<char>('a' + prng.Below(26)));
        buffer.Append(more);
        model += more;
        break;
      }
      case 1: {
        const size_t bytes = prng.Below(model.size() + 1);
        buffer.Consume(bytes);
        model.erase(0, bytes);
        break;
      }
      case 2:
        if (prng.Chance(1, 20)) {
          const size_t bytes = prng.Below(model.size() + 1);
          buffer.Truncate(bytes);
          model.resize(bytes);
        }
        break;
      case 3:
        if (prng.Chance(1, 50)) {
          buffer.Reset();
          model.clear();
          EXPECT_EQ(buffer.capacity(), 0u);
        }
        break;
    }
    ASSERT_EQ(buffer.view(), model) << step;
  }
}

struct Item : ListNode {
  explicit Item(int v) : value(v) {}
  int value;
};

TEST(IntrusiveListTest, KeepsOrderAndForgetsTheDestroyed) {
  IntrusiveList<Item> list;
  Item a(1);
  Item c(3);
  {
    Item b(2);
    list.PushBack(a);
    list.PushBack(b);
    list.PushBack(c);
    EXPECT_EQ(list.Next(a)->value, 2);
  }
  EXPECT_EQ(list.Next(a)->value, 3);
  EXPECT_EQ(list.Next(c), nullptr);
  EXPECT_EQ(list.PopFront(), &a);
  EXPECT_FALSE(a.linked());
  IntrusiveList<Item> other;
  other.PushBack(a);
  other.Splice(list);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(other.Next(a), &c);
}

struct Tenant {
  Tenant(SlabHandle h, int v) : handle(h), value(v) {}
  SlabHandle handle;
  int value;
};

TEST(SlabTest, OldHandlesFindNothing) {
  Slab<Tenant> slab(2);
  Tenant* first = slab.New(1);
  const SlabHandle old = first->handle;
  Tenant* second = slab.New(2);
  EXPECT_EQ(slab.New(3), nullptr) << "a full slab refuses";
  slab.Delete(old);
  EXPECT_EQ(slab.Get(old), nullptr);
  Tenant* third = slab.New(3);
  EXPECT_EQ(third->handle.slot, old.slot) << "the slot is reused";
  EXPECT_EQ(slab.Get(old), nullptr) << "but not the handle";
  EXPECT_EQ(slab.Get(second->handle)->value, 2);
  int sum = 0;
  slab.ForEach([&](Tenant& tenant) { sum += tenant.value; });
  EXPECT_EQ(sum, 5);
}

// Counts what lives, and whether two live at one place.
struct Counted {
  Counted(SlabHandle h, std::set<const void*>& set) : handle(h), here(set) { EXPECT_TRUE(here.insert(this).second); }
  ~Counted() { EXPECT_EQ(here.erase(this), 1u); }
  SlabHandle handle;
  std::set<const void*>& here;
};

TEST(SlabTest, AgainstAModel) {
  std::set<const void*> here;
  std::map<uint32_t, Counted*> model;  // by slot
  std::vector<SlabHandle> gone;
  Prng prng(7);
  {
    Slab<Counted> slab(1000);
    for (int step = 0; step < 200'000; step++) {
      // Tides: from full to empty and back, so that chunks are given back and taken again.
      const bool rising = (step / 5000) % 2 == 0;
      if (prng.Below(100) < (rising ? 70u : 30u)) {
        Counted* item = slab.New(here);
        ASSERT_EQ(item == nullptr, model.size() == 1000);
        if (item == nullptr) continue;
        ASSERT_TRUE(model.emplace(item->handle.slot, item).second) << "the slot was taken";
        ASSERT_EQ(slab.Get(item->handle), item);
      } else if (!model.empty()) {
        auto it = model.lower_bound(static_cast<uint32_t>(prng.Below(1000)));
        if (it == model.end()) it = model.begin();
        gone.push_back(it->second->handle);
        slab.Delete(it->second->handle);
        model.erase(it);
        ASSERT_EQ(slab.Get(gone[prng.Below(gone.size())]), nullptr);
      }
      ASSERT_EQ(slab.size(), model.size());
      ASSERT_EQ(here.size(), model.size());
    }
    size_t seen = 0;
    slab.ForEach([&](Counted& item) { seen += model.at(item.handle.slot) == &item; });
    EXPECT_EQ(seen, model.size());
  }
  EXPECT_TRUE(here.empty()) << "the slab destroys what still lives";
}

TEST(SlabTest, EmptyChunksComeAfterLivedInOnes) {
  std::set<const void*> here;
  Slab<Counted> slab(10'000);
  std::vector<SlabHandle> all;
  for (int i = 0; i < 6400; i++) all.push_back(slab.New(here)->handle);
  for (size_t i = 0; i < all.size(); i++) {
    if (i != 3200) slab.Delete(all[i]);  // one in the middle stays
  }
  for (int i = 0; i < 63; i++) EXPECT_EQ(slab.New(here)->handle.slot / 64, 50u) << "beside the one that stayed";
}

TEST(SockAddrTest, ParsesAndPrints) {
  for (const char* text : {"127.0.0.1:1587", "0.0.0.0:0", "[::1]:465", "[2001:db8::1]:65535"}) {
    const auto address = SockAddr::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
  for (const char* text : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "localhost:25", "::1:25", "[::1]",
                           "[127.0.0.1]:25", "127.0.0.1:25x", "1.2.3:4", "[::1:25"}) {
    EXPECT_FALSE(SockAddr::Parse(text).has_value()) << text;
  }
}

TEST(MailboxTest, EachSendersOrderHoldsAcrossThreads) {
  constexpr int kSenders = 4;
  constexpr int kMessages = 20'000;
  Mailbox<std::pair<int, int>> mailbox;
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; s++) {
    senders.emplace_back([&mailbox, s] {
      for (int i = 0; i < kMessages; i++) mailbox.Send({s, i});
    });
  }
  int next[kSenders] = {};
  int received = 0;
  while (received < kSenders * kMessages) {
    mailbox.Drain([&](std::pair<int, int>&& message) {
      ASSERT_EQ(message.second, next[message.first]++);
      received++;
    });
  }
  for (std::thread& sender : senders) sender.join();
}

TEST(HexTest, DigitsOfEitherCaseAndNothingElse) {
  EXPECT_EQ(DecodeHex("00fFa7"), std::string("\0\xff\xa7", 3));
  EXPECT_EQ(DecodeHex(""), "");
  for (const char* wrong : {"0", "0g", " 00", "0x", "\xe7\xe7", "00\x80\x80"})
    EXPECT_FALSE(DecodeHex(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace sluice
