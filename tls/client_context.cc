#include "tls/client_context.h"

#include "tls/channel_io.h"
#include "tls/library.h"

namespace sluice::tls {

absl::StatusOr<std::shared_ptr<ClientContext>> ClientContext::Create(const ClientOptions& options) {
  ContextOwner library;
  if (absl::Status status = NewContext(/*client=*/true, options.parameters, library); !status.ok()) return status;
  ChannelIo::Install(library.get());

  switch (options.trust) {
    case Trust::kAnyone: break;
    case Trust::kSystem:
      if (wolfSSL_CTX_load_system_CA_certs(library.get()) != WOLFSSL_SUCCESS) {
        return absl::NotFoundError("the system's trust anchors cannot be loaded (Debian: package ca-certificates)");
      }
      break;
    case Trust::kGiven: {
      const int result = wolfSSL_CTX_load_verify_buffer(library.get(), Octets(options.anchors),
                                                        static_cast<long>(options.anchors.size()), WOLFSSL_FILETYPE_PEM);
      if (result != WOLFSSL_SUCCESS) {
        return absl::InvalidArgumentError(
            absl::StrCat(options.anchors_file, ": no usable certificates in PEM form: ", ErrorText(result)));
      }
      break;
    }
  }
  wolfSSL_CTX_set_verify(library.get(),
                         options.trust == Trust::kAnyone ? WOLFSSL_VERIFY_NONE : WOLFSSL_VERIFY_PEER, nullptr);
  if (options.identity.has_value()) {
    if (absl::Status status = LoadIdentity(*options.identity, library.get()); !status.ok())
      return status;
  }
  if (options.resumption && wolfSSL_CTX_UseSessionTicket(library.get()) != WOLFSSL_SUCCESS) return OutOfMemory();

  std::shared_ptr<ClientContext> context(new ClientContext);
  context->context_ = library.release();
  context->trust_ = options.trust;
  return context;
}

ClientContext::~ClientContext() { wolfSSL_CTX_free(context_); }

Session::~Session() { wolfSSL_SESSION_free(session_); }

}  // namespace sluice::tls
