#include "tls/hooks.h"

#include <atomic>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "tls/library.h"

namespace sluice::tls {
namespace {

std::atomic<UnixSeconds> g_clock{nullptr};

time_t TimeCallback(time_t* out) {
  const UnixSeconds clock = g_clock.load(std::memory_order_relaxed);
  const time_t now = clock == nullptr ? time(nullptr) : static_cast<time_t>(clock());
  if (out != nullptr) *out = now;
  return now;
}

absl::Status Start() {
  if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul")) {
    return absl::FailedPreconditionError(
        "this processor has no AES-NI; Sluice needs an x86-64 processor with AES-NI at present");
  }
  if (const int result = wolfSSL_Init(); result != WOLFSSL_SUCCESS) {
    return absl::InternalError(absl::StrCat("wolfSSL does not start: ", ErrorText(result)));
  }
  wc_SetTimeCb(TimeCallback);
  return absl::OkStatus();
}

}  // namespace

absl::Status Init() {
  static const absl::Status* const result = new absl::Status(Start());
  return *result;
}

void InstallClock(UnixSeconds clock) { g_clock.store(clock, std::memory_order_relaxed); }

std::string LibraryReport() {
  std::string report = absl::StrCat("wolfSSL ", wolfSSL_lib_version(), ", AES-NI");
  if (__builtin_cpu_supports("avx2")) absl::StrAppend(&report, ", AVX2");
  if (__builtin_cpu_supports("bmi2")) absl::StrAppend(&report, ", BMI2");
#if defined(WOLFSSL_HAVE_MLKEM) && defined(WOLFSSL_PQC_HYBRIDS)
  absl::StrAppend(&report, ", X25519MLKEM768");
#else
  absl::StrAppend(&report, ", no X25519MLKEM768");
#endif
  return report;
}

}  // namespace sluice::tls
