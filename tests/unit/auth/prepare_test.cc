#include "auth/prepare.h"

#include <gtest/gtest.h>
#include <stringprep.h>

#include <string>

namespace sluice::auth {
namespace {

std::string Login(ByteView raw, Purpose purpose = Purpose::kQuery) {
  std::string login;
  const Prepared result = PrepareLogin(raw, purpose, login);
  return result == Prepared::kOk ? login : "!" + std::to_string(static_cast<int>(result));
}
std::string Password(ByteView raw, Purpose purpose = Purpose::kQuery) {
  Secret password;
  const Prepared result = PreparePassword(raw, purpose, password);
  return result == Prepared::kOk ? std::string(password.view())
                                 : "!" + std::to_string(static_cast<int>(result));
}
std::string Error(Prepared result) { return "!" + std::to_string(static_cast<int>(result)); }

TEST(PrepareTest, FoldsTheCaseOfLoginsAndKeepsThatOfPasswords) {
  EXPECT_EQ(Login("Alice@Example.NET"), "alice@example.net");
  EXPECT_EQ(Login("ÄRGER"), "ärger");
  EXPECT_EQ(Login("Straße"), "strasse");  // RFC 3454 table B.2
  EXPECT_EQ(Password("Secret Ä"), "Secret Ä");
}

TEST(PrepareTest, TheDomainOfALoginIsItsALabels) {
  EXPECT_EQ(Login("Jos\u00c9@B\u00dcCHER.example"), "jos\u00e9@xn--bcher-kva.example");
  EXPECT_EQ(Login("info@b\u00fccher.example"), "info@xn--bcher-kva.example");
  EXPECT_EQ(Login("jos\u00e9@XN--bcher-kva.example"), "jos\u00e9@xn--bcher-kva.example");
  EXPECT_EQ(Login("a@stra\u00dfe.example"), "a@xn--strae-oqa.example");       // not strasse.example
  EXPECT_EQ(Login("a@b\u3002example"), "a@b.example");                        // an ideographic stop
  EXPECT_EQ(Login("a\uff20b\u00fccher.example"), "a@xn--bcher-kva.example");  // a wide '@'
  EXPECT_EQ(Login("\u05d0\u05d1@example.net"), "\u05d0\u05d1@example.net");
  EXPECT_EQ(Login("\u05d0\u05d11@example.net"), Error(Prepared::kBidi));
  EXPECT_EQ(Login("\u00fc@"), "\u00fc@");
  EXPECT_EQ(Login("a@\u2603 x.example"), "a@\u2603 x.example");  // no domain: a name like another
  EXPECT_EQ(Login("\u00fc" + std::string(250, 'a') + "@b.example"), Error(Prepared::kTooLong));
  EXPECT_EQ(Login("a@\xfc.example"), Error(Prepared::kNotUtf8));
  EXPECT_EQ(Login("lice@Example.\x18ORG"), Error(Prepared::kProhibited));
  EXPECT_EQ(Login("a@\u00fc.\x18"), Error(Prepared::kProhibited));
  EXPECT_EQ(Login("@\u00fc.example"), Error(Prepared::kEmpty));
}

// RFC 4013 section 3.
TEST(PrepareTest, FollowsTheExamplesOfRfc4013) {
  EXPECT_EQ(Password("I\xc2\xadX"), "IX");
  EXPECT_EQ(Password("user"), "user");
  EXPECT_EQ(Password("USER"), "USER");
  EXPECT_EQ(Password("\xc2\xaa"), "a");
  EXPECT_EQ(Password("\xe2\x85\xa8"), "IX");
  EXPECT_EQ(Login("\xe2\x85\xa8"), "ix");
  EXPECT_EQ(Password("\x07"), Error(Prepared::kProhibited));
  EXPECT_EQ(Password("\xd8\xa7\x31"), Error(Prepared::kBidi));
}

TEST(PrepareTest, MapsSpacesAndNothing) {
  EXPECT_EQ(Password("a\xc2\xa0z"), "a z");                  // no-break space
  EXPECT_EQ(Password("\xc2\xad"), Error(Prepared::kEmpty));  // nothing but a soft hyphen
  EXPECT_EQ(Login("\xc2\xad"), Error(Prepared::kEmpty));
}

TEST(PrepareTest, RefusesWhatIsNoText) {
  EXPECT_EQ(Login(""), Error(Prepared::kEmpty));
  EXPECT_EQ(Password(""), Error(Prepared::kEmpty));
  EXPECT_EQ(Login("a\x80"), Error(Prepared::kNotUtf8));
  EXPECT_EQ(Login("\xc3"), Error(Prepared::kNotUtf8));
  EXPECT_EQ(Login("\xc0\xaf"), Error(Prepared::kNotUtf8));      // an overlong '/'
  EXPECT_EQ(Login("\xed\xa0\x80"), Error(Prepared::kNotUtf8));  // a surrogate
  EXPECT_EQ(Login("\xf8\x88\x80\x80\x80"), Error(Prepared::kNotUtf8));
  EXPECT_EQ(Login(ByteView("alice\0", 6)), Error(Prepared::kNotUtf8));
  EXPECT_EQ(Login(ByteView("al\0ice\xc3\xa4", 8)), Error(Prepared::kNotUtf8));
  EXPECT_EQ(Login("a\tb"), Error(Prepared::kProhibited));
  EXPECT_EQ(Login("a\x7f"), Error(Prepared::kProhibited));
  EXPECT_EQ(Login("\xee\x80\x80"), Error(Prepared::kProhibited));  // private use
}

TEST(PrepareTest, StoresOnlyAssignedCodePoints) {
  const ByteView emoji = "\xf0\x9f\x98\x80";
  EXPECT_EQ(Password(emoji, Purpose::kQuery), emoji);
  EXPECT_EQ(Password(emoji, Purpose::kStore), Error(Prepared::kUnassigned));
}

TEST(PrepareTest, HoldsItsBounds) {
  const std::string longest(kLoginBytesMax, 'x');
  EXPECT_EQ(Login(longest), longest);
  EXPECT_EQ(Login(longest + "x"), Error(Prepared::kTooLong));
  const std::string longest_password(kPasswordBytesMax, 'x');
  EXPECT_EQ(Password(longest_password), longest_password);
  EXPECT_EQ(Password(longest_password + "x"), Error(Prepared::kTooLong));
  // U+FDFA becomes 18 letters: short on the wire, too long prepared.
  std::string grows;
  for (int i = 0; i < 80; i++) grows += "\xef\xb7\xba";
  EXPECT_EQ(Login(grows), Error(Prepared::kTooLong));
  // Exactly the bound, outside ASCII.
  std::string umlauts = "x";
  while (umlauts.size() < kLoginBytesMax) umlauts += "ä";
  ASSERT_EQ(umlauts.size(), kLoginBytesMax);
  EXPECT_EQ(Login(umlauts), umlauts);
}

// The short path for ASCII must be the library's answer.
TEST(PrepareTest, AgreesWithTheLibraryOnAscii) {
  for (int c = 1; c < 128; c++) {
    const std::string text = std::string("x") + static_cast<char>(c) + "y";
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%s", text.c_str());
    const int rc =
        stringprep(buffer, sizeof buffer, Stringprep_profile_flags{}, stringprep_saslprep);
    if (rc == STRINGPREP_OK) {
      EXPECT_EQ(Password(text), buffer) << c;
    } else {
      EXPECT_EQ(Password(text)[0], '!') << c;
    }
    EXPECT_EQ(Login(text)[0] == '!', rc != STRINGPREP_OK) << c;
  }
  // And through the library: a soft hyphen, which vanishes, takes the login off the short path.
  for (char c = 0x20; c < 0x7f; c++) {
    const std::string text = std::string("x") + c + "y";
    EXPECT_EQ(Login(text + "\xc2\xad"), Login(text));
  }
}

TEST(PrepareTest, CutAnywhereIsRefusedOrPrepared) {
  const std::string text = "Grüße\xe2\x85\xa8\xf0\x9f\x98\x80z";
  for (size_t i = 0; i < text.size(); i++) {
    const ByteView cut = ByteView(text).substr(0, i);
    const bool at_character = (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
    EXPECT_EQ(Login(cut) == Error(Prepared::kNotUtf8), !at_character) << i;
  }
}

}  // namespace
}  // namespace sluice::auth
