#include "tls/parameters.h"

#include <string_view>

#include "tls/library.h"

namespace sluice::tls {
namespace {

// AES-128 first: as strong as P-256 and X25519 are, and the fastest. Only AEAD with ephemeral keys.
constexpr char kSuites13[] =
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256";
constexpr char kSuites12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

struct Group {
  std::string_view name;
  int id;
  bool in_tls12;
};
#if defined(WOLFSSL_HAVE_MLKEM) && defined(WOLFSSL_PQC_HYBRIDS)
constexpr int kX25519MlKem768 = WOLFSSL_X25519MLKEM768;
#else
constexpr int kX25519MlKem768 = 0;  // not in this library
#endif
constexpr Group kGroups[] = {
    {"X25519MLKEM768", kX25519MlKem768, false},
    {"X25519", WOLFSSL_ECC_X25519, true},
    {"P-256", WOLFSSL_ECC_SECP256R1, true},
    {"P-384", WOLFSSL_ECC_SECP384R1, true},
};
constexpr size_t kDefaultGroups = 3;

const Group* FindGroup(std::string_view name) {
  for (const Group& group : kGroups) {
    if (group.name == name) return &group;
  }
  return nullptr;
}

absl::Status SetGroups(const Parameters& parameters, WOLFSSL_CTX* context) {
  std::vector<std::string> names = parameters.groups;
  if (names.empty()) {
    for (size_t i = 0; i < kDefaultGroups; i++) names.emplace_back(kGroups[i].name);
  }
  int ids[WOLFSSL_MAX_GROUP_COUNT];
  int count = 0;
  for (const std::string& name : names) {
    const Group* group = FindGroup(name);
    if (group == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown key exchange group \"", name, "\" (X25519MLKEM768, X25519, P-256, P-384)"));
    }
    if (group->id == 0 || (parameters.versions == Versions::kOnly12 && !group->in_tls12)) continue;
    if (count == WOLFSSL_MAX_GROUP_COUNT) return absl::InvalidArgumentError("too many key exchange groups");
    ids[count++] = group->id;
  }
  if (count == 0) return absl::InvalidArgumentError("none of the key exchange groups is in this library");
  const int result = wolfSSL_CTX_set_groups(context, ids, count);
  if (result != WOLFSSL_SUCCESS) return absl::InternalError(absl::StrCat("TLS groups: ", ErrorText(result)));
  return absl::OkStatus();
}

WOLFSSL_METHOD* Method(bool client, Versions versions) {
  switch (versions) {
    case Versions::k12And13: return client ? wolfTLS_client_method() : wolfTLS_server_method();
    case Versions::kOnly12: return client ? wolfTLSv1_2_client_method() : wolfTLSv1_2_server_method();
    case Versions::kOnly13: return client ? wolfTLSv1_3_client_method() : wolfTLSv1_3_server_method();
  }
  return nullptr;
}

}  // namespace

absl::Status NewContext(bool client, const Parameters& parameters, ContextOwner& context) {
  context.reset(wolfSSL_CTX_new(Method(client, parameters.versions)));  // owns the method
  if (context == nullptr) return OutOfMemory();
  if (parameters.versions == Versions::k12And13 &&
      wolfSSL_CTX_SetMinVersion(context.get(), WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS) {
    return absl::InternalError("TLS: cannot set the lowest version");
  }
  std::string suites;
  if (parameters.versions != Versions::kOnly12) suites = kSuites13;
  if (parameters.versions != Versions::kOnly13) absl::StrAppend(&suites, suites.empty() ? "" : ":", kSuites12);
  if (wolfSSL_CTX_set_cipher_list(context.get(), suites.c_str()) != WOLFSSL_SUCCESS) {
    return absl::InternalError("TLS: cannot set the cipher suites");
  }
  wolfSSL_CTX_set_session_cache_mode(context.get(), WOLFSSL_SESS_CACHE_OFF);
  return SetGroups(parameters, context.get());
}

}  // namespace sluice::tls
