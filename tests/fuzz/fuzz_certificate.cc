// What reads a client's certificate.
//
// The first octet chooses; the rest is the input: 'n' a name (the octets in its SEQUENCE); 'j' a
// chain of certificates (DER, each behind its length in two octets, the client's own first) as it
// is judged; 'l' e-mail addresses of one, a line each, as logins. Nobody but the CA below can sign,
// and its key is gone, so whoever is judged good is one of those that it has signed.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "auth/certificate_logins.h"
#include "auth/prepare.h"
#include "core/base/check.h"
#include "tls/client_trust.h"
#include "tls/distinguished_name.h"
#include "tls/hooks.h"

using namespace sluice;

namespace {

constexpr char kCa[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBajCCARCgAwIBAgIUZbtNIYPXKJD67BrLwKnntJH3cT0wCgYIKoZIzj0EAwIw\n"
    "EjEQMA4GA1UEAwwHRnV6eiBDQTAgFw0yNjExMjcwNDQzNDFaGA8yMTI2MTEwMzA0\n"
    "NDM0MVowEjEQMA4GA1UEAwwHRnV6eiBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
    "A0IABH6XV6wTgR0BZ6INmla4hSKPdCVQcQYvi+CuedDorG3xGWNxGYH8aqvNnbP+\n"
    "esvNAqah857MlGkCoRVzvrmAqUSjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P\n"
    "AQH/BAQDAgEGMB0GA1UdDgQWBBR6RWeyILHLnnDiCvACqbendNAllTAKBggqhkjO\n"
    "PQQDAgNIADBFAiEA9xfevSqj1jz1JNbUk0lF3ysgqtWrxTP+/nVdBI8YDlACIAty\n"
    "swf9+VLSG8sY4wONnkciFMgRjECm8p/7AW78CKKy\n"
    "-----END CERTIFICATE-----\n";

tls::ClientTrust& Trust() {
  static const auto trust = [] {
    CHECK(tls::Init().ok());
    auto made = tls::ClientTrust::Create({.ca_file = "ca", .ca = kCa, .crl_file = "", .crl = ""});
    CHECK(made.ok());
    return *std::move(made);
  }();
  return *trust;
}

void RunName(ByteView name) {
  const std::string text = tls::NameText(name);
  CHECK(text.size() <= tls::kNameTextBytesMax);
  CHECK(std::all_of(text.begin(), text.end(),
                    [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; }));
  CHECK(text.empty() || text.find('=') != std::string::npos);
  // What a further octet belongs to is another name, or none.
  CHECK(text.empty() || tls::NameText(std::string(name) + '\0').empty());
}

void RunChain(ByteView input) {
  std::vector<ByteView> chain;
  while (input.size() >= 2 && chain.size() < 10) {
    const size_t bytes =
        static_cast<unsigned char>(input[0]) * 256u + static_cast<unsigned char>(input[1]);
    chain.push_back(input.substr(2, bytes));
    input.remove_prefix(std::min(input.size(), bytes + 2));
  }
  if (chain.empty()) return;
  const tls::PeerCertificate peer = Trust().Judge(chain);
  CHECK(peer.emails.size() <= tls::kEmailsMax);
  for (const std::string& email : peer.emails) CHECK(email.size() <= tls::kEmailBytesMax);
  if (!peer.problem.empty()) return;
  CHECK(peer.fingerprint.size() == 64);
  if (peer.subject == "CN=ann,O=Example\\, Inc.,C=DE") {
    CHECK(peer.emails == (std::vector<std::string>{"alice@example.net", "al@example.org"}));
  } else {
    CHECK(peer.subject == "emailAddress=bob@example.net,CN=bob+UID=b" ||
          peer.subject == "CN=Fuzz Inter" || peer.subject == "CN=Fuzz CA");
  }
}

void RunLogins(ByteView text) {
  auth::CertificateLogins logins;
  const std::string fingerprint(64, 'a');
  CHECK(logins.AddFingerprint(fingerprint, "owner@example.net"));
  CHECK(!logins.AddFingerprint(fingerprint, "other@example.net"));
  const std::vector<std::string> emails = absl::StrSplit(text, '\n');
  CHECK(logins.Of(fingerprint, "", emails) == std::vector<std::string>{"owner@example.net"});
  for (const std::string& login : logins.Of("", "", emails)) {
    std::string again;
    CHECK(auth::PrepareLogin(login, auth::Purpose::kQuery, again) == auth::Prepared::kOk &&
          again == login);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'n':
      RunName(input);
      break;
    case 'j':
      RunChain(input);
      break;
    case 'l':
      RunLogins(input);
      break;
  }
  return 0;
}
