#include "auth/gssapi_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "auth/kerberos_library.h"

namespace sluice::auth {
namespace {

using kerberos::BufferOf;
using kerberos::Name;
using kerberos::Output;

// The first octet of the layers that a server offers, and of the choice of a client; three octets
// of the largest message of one follow (RFC 4752 section 3.1).
constexpr char kNoLayer = 1;
constexpr size_t kLayerBytes = 4;

class GssapiClient final : public SaslClient {
 public:
  GssapiClient(std::string authorization, const std::string& host)
      : authorization_(std::move(authorization)) {
    const std::string service = absl::StrCat("smtp@", host);
    gss_buffer_desc text = BufferOf(service);
    OM_uint32 minor = 0;  // a name that cannot be is told by the first step
    static_cast<void>(gss_import_name(&minor, &text, GSS_C_NT_HOSTBASED_SERVICE, service_.out()));
  }
  ~GssapiClient() override { Forget(); }

  ByteView mechanism() const override { return "GSSAPI"; }

  bool Begin(std::string& response) override {
    Forget();
    state_ = State::kTokens;
    return Step("", response);
  }

  bool Answer(ByteView challenge, std::string& response) override {
    switch (state_) {
      case State::kTokens:
        return Step(challenge, response);
      case State::kLayer:
        return ChooseNoLayer(challenge, response);
      case State::kChosen:
      case State::kBroken:
        break;
    }
    return false;
  }
  bool Done() override { return state_ == State::kChosen; }

  // Of Begin(), when it has failed.
  std::string problem() const { return kerberos::Explain(major_, minor_); }

 private:
  enum class State : uint8_t { kTokens, kLayer, kChosen, kBroken };

  bool Step(ByteView token, std::string& response) {
    gss_buffer_desc input = BufferOf(token);
    Output output;
    major_ = gss_init_sec_context(&minor_, GSS_C_NO_CREDENTIAL, &context_, service_.get(),
                                  gss_mech_krb5, GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG,
                                  /*time_req=*/0, GSS_C_NO_CHANNEL_BINDINGS, &input, nullptr,
                                  output.get(), nullptr, nullptr);
    if (GSS_ERROR(major_)) {
      state_ = State::kBroken;
      return false;
    }
    if (major_ == GSS_S_COMPLETE) state_ = State::kLayer;
    response = output.view();
    return true;
  }

  bool ChooseNoLayer(ByteView challenge, std::string& response) {
    state_ = State::kBroken;
    gss_buffer_desc wrapped = BufferOf(challenge);
    Output offer;
    if (gss_unwrap(&minor_, context_, &wrapped, offer.get(), nullptr, nullptr) != GSS_S_COMPLETE ||
        offer.view().size() != kLayerBytes || (offer.view()[0] & kNoLayer) == 0) {
      return false;
    }
    std::string choice(kLayerBytes, '\0');
    choice[0] = kNoLayer;
    choice += authorization_;
    gss_buffer_desc plain = BufferOf(choice);
    Output answer;
    if (GSS_ERROR(gss_wrap(&minor_, context_, /*conf_req_flag=*/0, GSS_C_QOP_DEFAULT, &plain,
                           nullptr, answer.get()))) {
      return false;
    }
    response = answer.view();
    state_ = State::kChosen;
    return true;
  }

  void Forget() {
    OM_uint32 minor = 0;
    if (context_ != GSS_C_NO_CONTEXT) gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
  }

  const std::string authorization_;
  Name service_;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
  OM_uint32 major_ = 0;
  OM_uint32 minor_ = 0;
  State state_ = State::kTokens;
};

}  // namespace

std::unique_ptr<SaslClient> MakeGssapiClient(std::string authorization, const std::string& host) {
  return std::make_unique<GssapiClient>(std::move(authorization), host);
}

std::string ProblemOfTicket(const std::string& host) {
  GssapiClient client("", host);
  std::string token;
  if (client.Begin(token)) return "";
  return absl::StrCat("there is no Kerberos ticket for smtp/", host, ": ", client.problem(),
                      "; get one by kinit");
}

}  // namespace sluice::auth
