#include "auth/gssapi_exchange.h"

#include <utility>

#include "core/base/check.h"

namespace sluice::auth {
namespace {

// Kerberos needs one; a mutual authentication of three steps (DCE style) two.
constexpr int kTokensMax = 4;
// The layers (none) and the largest message of one (RFC 4752 section 3.2).
constexpr ByteView kOffer("\x01\0\0\0", 4);
constexpr char kNoLayer = 1;

}  // namespace

// A step of the library. What it takes and gives belongs to the verifier's thread from Submit() to
// the verdict, and otherwise to the shard.
class GssapiExchange::Work final : public OffShardWork {
 public:
  explicit Work(std::unique_ptr<GssContext> made) : context(std::move(made)) {}

  void Run() noexcept override {
    output.clear();
    if (unwrap) {
      unwrapped = context->Unwrap(input, output);
      return;
    }
    accepted = context->Accept(input, output);
    if (accepted == GssContext::Accepted::kDone && !context->Wrap(kOffer, offer)) {
      accepted = GssContext::Accepted::kRefused;
    }
  }

  const std::unique_ptr<GssContext> context;
  bool unwrap = false;
  std::string input;
  std::string output;
  std::string offer;  // kOffer, wrapped
  GssContext::Accepted accepted = GssContext::Accepted::kRefused;
  bool unwrapped = false;
};

GssapiExchange::GssapiExchange(const GssAcceptor& acceptor, const PrincipalRule& rule)
    : rule_(rule), context_(std::make_shared<Work>(acceptor.NewContext())) {
  work_ = context_;
}

Next GssapiExchange::Done(Failure failure) {
  state_ = State::kDone;
  return Fail(failure);
}

Next GssapiExchange::Start(std::optional<ByteView> initial) {
  CHECK(state_ == State::kStart);
  state_ = State::kToken;
  return initial.has_value() ? Step(*initial) : Challenge("");
}

Next GssapiExchange::Step(ByteView response) {
  switch (state_) {
    case State::kToken:
      if (response.empty()) return Done(Failure::kMalformed);
      if (++tokens_ > kTokensMax) return Done(Failure::kCredentials);
      return RunWork(State::kAccepting, response);
    case State::kLast:
      return response.empty() ? OfferLayers() : Done(Failure::kMalformed);
    case State::kLayer:
      context_->unwrap = true;
      return RunWork(State::kUnwrapping, response);
    case State::kStart:
    case State::kAccepting:
    case State::kUnwrapping:
    case State::kRecord:
    case State::kDone:
      break;
  }
  CHECK(false);
  return Next::kFailure;
}

Next GssapiExchange::RunWork(State state, ByteView token) {
  context_->input = token;
  state_ = state;
  return Next::kVerify;
}

Next GssapiExchange::OnVerified(Verdict verdict) {
  CHECK(state_ == State::kAccepting || state_ == State::kUnwrapping);
  if (verdict == Verdict::kTemporary) return Done(Failure::kTemporary);
  return state_ == State::kAccepting ? OnAccepted() : OnUnwrapped();
}

Next GssapiExchange::OnAccepted() {
  switch (context_->accepted) {
    case GssContext::Accepted::kRefused:
      return Done(Failure::kCredentials);
    case GssContext::Accepted::kMore:
      state_ = State::kToken;
      return Challenge(context_->output);
    case GssContext::Accepted::kDone:
      break;
  }
  if (context_->output.empty()) return OfferLayers();
  state_ = State::kLast;
  return Challenge(context_->output);
}

Next GssapiExchange::OfferLayers() {
  state_ = State::kLayer;
  return Challenge(context_->offer);
}

// The layer chosen, the largest message of the client (of no meaning without a layer), and an
// authorization identity.
Next GssapiExchange::OnUnwrapped() {
  const ByteView choice = context_->output;
  if (!context_->unwrapped || choice.size() < kOffer.size() || choice[0] != kNoLayer) {
    return Done(Failure::kCredentials);
  }
  const GssContext& peer = *context_->context;
  std::optional<std::string> login = LoginOfPrincipal(rule_, peer.principal(), peer.own_realm());
  if (!login.has_value()) return Done(Failure::kCredentials);
  login_ = *std::move(login);
  authorization_ = choice.substr(kOffer.size());
  state_ = State::kRecord;
  return Next::kLookup;
}

Next GssapiExchange::OnRecord(const CredentialRecord* record) {
  CHECK(state_ == State::kRecord);
  if (record == nullptr || !record->may_log_in()) return Done(Failure::kCredentials);
  state_ = State::kDone;
  return Next::kSuccess;
}

}  // namespace sluice::auth
