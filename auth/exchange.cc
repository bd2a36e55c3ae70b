#include "auth/exchange.h"

#include "auth/password_exchange.h"
#include "core/base/check.h"

namespace sluice::auth {

std::unique_ptr<Exchange> MakeExchange(Mechanism mechanism) {
  CHECK(Info(mechanism).offered);
  switch (mechanism) {
    case Mechanism::kPlain:
      return std::make_unique<PlainExchange>();
    case Mechanism::kLogin:
      return std::make_unique<LoginExchange>();
    case Mechanism::kScramSha256:
      break;
  }
  CHECK(false);
  return nullptr;
}

}  // namespace sluice::auth
