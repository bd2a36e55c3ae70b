#include "tests/support/token_maker.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/ed25519.h>

#include <array>

#include "core/base/base64.h"
#include "core/base/check.h"

namespace sluice::auth {

std::string Base64Url(ByteView bytes) {
  std::string text = Base64Encode(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

std::string SetOf(ByteView jwk) { return R"({"keys":[)" + std::string(jwk) + "]}"; }

std::string Sign(ByteView header, ByteView claims) {
  const auto bytes_of = [](ByteView text) {
    std::array<char, 32> bytes;
    CHECK(Base64UrlDecode(text, bytes) == 32);
    return bytes;
  };
  const auto secret = bytes_of("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
  const auto open = bytes_of("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  const auto octets = [](const char* at) { return reinterpret_cast<const byte*>(at); };
  ed25519_key key;
  CHECK(wc_ed25519_init(&key) == 0);
  CHECK(wc_ed25519_import_private_key(octets(secret.data()), 32, octets(open.data()), 32, &key) ==
        0);
  std::string message = Base64Url(header) + "." + Base64Url(claims);
  std::array<char, ED25519_SIG_SIZE> signature;
  word32 size = ED25519_SIG_SIZE;
  CHECK(wc_ed25519_sign_msg(octets(message.data()), static_cast<word32>(message.size()),
                            reinterpret_cast<byte*>(signature.data()), &size, &key) == 0);
  wc_ed25519_free(&key);
  return message + "." + Base64Url(ByteView(signature.data(), size));
}

}  // namespace sluice::auth
