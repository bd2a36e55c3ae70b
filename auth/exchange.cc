#include "auth/exchange.h"

#include "auth/bearer_exchange.h"
#include "auth/cram_md5_exchange.h"
#include "auth/digest_md5_exchange.h"
#include "auth/gssapi_exchange.h"
#include "auth/external_exchange.h"
#include "auth/password_exchange.h"
#include "auth/scram_exchange.h"
#include "core/base/check.h"

namespace sluice::auth {

std::unique_ptr<Exchange> MakeExchange(Mechanism mechanism, const ExchangeContext& context) {
  const MechanismInfo& info = Info(mechanism);
  if (info.scram.has_value()) {
    CHECK(!info.plus || context.bindings != nullptr);
    return std::make_unique<ScramExchange>(*info.scram, info.plus, context);
  }
  switch (mechanism) {
    case Mechanism::kPlain:
      return std::make_unique<PlainExchange>();
    case Mechanism::kLogin:
      return std::make_unique<LoginExchange>();
    case Mechanism::kCramMd5:
      return std::make_unique<CramMd5Exchange>(context);
    case Mechanism::kDigestMd5:
      return std::make_unique<DigestMd5Exchange>("smtp", context);
    case Mechanism::kGssapi:
      CHECK(context.gss != nullptr && context.principals != nullptr);
      return std::make_unique<GssapiExchange>(*context.gss, *context.principals);
    case Mechanism::kOauthBearer:
      return std::make_unique<BearerExchange>(BearerExchange::Form::kOauthBearer, context);
    case Mechanism::kXoauth2:
      return std::make_unique<BearerExchange>(BearerExchange::Form::kXoauth2, context);
    case Mechanism::kExternal:
      return std::make_unique<ExternalExchange>(context);
    default:
      break;
  }
  CHECK(false);
  return nullptr;
}

}  // namespace sluice::auth
