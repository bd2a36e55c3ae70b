#include "auth/kerberos_acceptor.h"

#include <gssapi/gssapi_ext.h>

#include "absl/strings/str_cat.h"
#include "auth/kerberos_library.h"

namespace sluice::auth {
using kerberos::BufferOf;
using kerberos::Explain;
using kerberos::Name;
using kerberos::Output;

class KerberosAcceptor::Context final : public GssContext {
 public:
  explicit Context(gss_cred_id_t credential) : credential_(credential) {}
  ~Context() override {
    OM_uint32 minor = 0;
    if (context_ != GSS_C_NO_CONTEXT) {
      gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
    }
  }

  Accepted Accept(ByteView token, std::string& output) override {
    OM_uint32 minor = 0;
    OM_uint32 flags = 0;
    gss_OID mechanism = GSS_C_NO_OID;
    gss_buffer_desc input = BufferOf(token);
    Output reply;
    Name client;
    const OM_uint32 major = gss_accept_sec_context(
        &minor, &context_, credential_, &input, GSS_C_NO_CHANNEL_BINDINGS, client.out(), &mechanism,
        reply.get(), &flags, nullptr, /*delegated_cred_handle=*/nullptr);
    if (GSS_ERROR(major)) return Accepted::kRefused;
    output = reply.view();
    if ((major & GSS_S_CONTINUE_NEEDED) != 0) return Accepted::kMore;
    // RFC 4752 section 1: Kerberos 5 and nothing else. Somebody anonymous has no login.
    if (gss_oid_equal(mechanism, gss_mech_krb5) == 0 || (flags & GSS_C_ANON_FLAG) != 0) {
      return Accepted::kRefused;
    }
    Name own;
    if (GSS_ERROR(gss_inquire_context(&minor, context_, nullptr, own.out(), nullptr, nullptr,
                                      nullptr, nullptr, nullptr))) {
      return Accepted::kRefused;
    }
    principal_ = client.Show();
    const std::string here = own.Show();
    own_realm_ = here.substr(here.rfind('@') + 1);
    return principal_.empty() || own_realm_.empty() ? Accepted::kRefused : Accepted::kDone;
  }

  bool Wrap(ByteView message, std::string& token) override {
    OM_uint32 minor = 0;
    gss_buffer_desc input = BufferOf(message);
    Output wrapped;
    if (GSS_ERROR(gss_wrap(&minor, context_, /*conf_req_flag=*/0, GSS_C_QOP_DEFAULT, &input,
                           nullptr, wrapped.get()))) {
      return false;
    }
    token = wrapped.view();
    return true;
  }

  bool Unwrap(ByteView token, std::string& message) override {
    OM_uint32 minor = 0;
    gss_buffer_desc input = BufferOf(token);
    Output unwrapped;
    // Also what is no error but says that something was replayed or out of order.
    if (gss_unwrap(&minor, context_, &input, unwrapped.get(), nullptr, nullptr) != GSS_S_COMPLETE) {
      return false;
    }
    message = unwrapped.view();
    return true;
  }

 private:
  const gss_cred_id_t credential_;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
};

absl::StatusOr<std::unique_ptr<KerberosAcceptor>> KerberosAcceptor::Open(const Options& options) {
  const bool by_host = options.principal.empty();
  const std::string text = by_host ? absl::StrCat("smtp@", options.hostname) : options.principal;
  const std::string shown = by_host ? absl::StrCat("smtp/", options.hostname) : options.principal;
  const auto problem = [&](OM_uint32 major, OM_uint32 minor) {
    return absl::FailedPreconditionError(
        absl::StrCat("gssapi.keytab: ", options.keytab, " has no key of ", shown,
                     " that can be used: ", Explain(major, minor), "; `klist -k ", options.keytab,
                     "` shows what it has, gssapi.principal names another principal"));
  };
  OM_uint32 minor = 0;
  gss_buffer_desc buffer = BufferOf(text);
  Name name;
  OM_uint32 major = gss_import_name(
      &minor, &buffer, by_host ? GSS_C_NT_HOSTBASED_SERVICE : GSS_KRB5_NT_PRINCIPAL_NAME,
      name.out());
  if (GSS_ERROR(major)) return problem(major, minor);

  const std::string keytab = absl::StrCat("FILE:", options.keytab);
  const std::string replay_cache = absl::StrCat("file2:", options.replay_cache);
  gss_key_value_element_desc elements[] = {{.key = "keytab", .value = keytab.c_str()},
                                           {.key = "rcache", .value = replay_cache.c_str()}};
  const gss_key_value_set_desc store = {.count = std::size(elements), .elements = elements};
  gss_OID_set_desc mechanisms = {.count = 1, .elements = gss_mech_krb5};
  gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
  major = gss_acquire_cred_from(&minor, name.get(), GSS_C_INDEFINITE, &mechanisms, GSS_C_ACCEPT,
                                &store, &credential, nullptr, nullptr);
  if (GSS_ERROR(major)) return problem(major, minor);
  return std::unique_ptr<KerberosAcceptor>(new KerberosAcceptor(credential));
}

KerberosAcceptor::~KerberosAcceptor() {
  OM_uint32 minor = 0;
  gss_cred_id_t credential = static_cast<gss_cred_id_t>(credential_);
  gss_release_cred(&minor, &credential);
}

std::unique_ptr<GssContext> KerberosAcceptor::NewContext() const {
  return std::make_unique<Context>(static_cast<gss_cred_id_t>(credential_));
}

}  // namespace sluice::auth
