#include "tls/hooks.h"

#include <sys/random.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "tls/library.h"

namespace sluice::tls {
namespace {

void FillFromKernel(char* out, size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = getrandom(out, bytes, 0);
    if (got < 0) {
      CHECK(errno == EINTR);  // nothing else can happen to a valid buffer; going on without would be worse
      continue;
    }
    out += got;
    bytes -= static_cast<size_t>(got);
  }
}

std::atomic<RandomFill> g_random{FillFromKernel};
std::atomic<UnixSeconds> g_clock{nullptr};

int SeedCallback(OS_Seed*, byte* seed, word32 bytes) {
  FillRandom(reinterpret_cast<char*>(seed), bytes);
  return 0;
}

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
  wc_SetSeed_Cb(SeedCallback);  // after wolfSSL_Init, which sets its own
  wc_SetTimeCb(TimeCallback);
  return absl::OkStatus();
}

}  // namespace

absl::Status Init() {
  static const absl::Status* const result = new absl::Status(Start());
  return *result;
}

void InstallRandom(RandomFill fill) {
  g_random.store(fill == nullptr ? FillFromKernel : fill, std::memory_order_relaxed);
}

void InstallClock(UnixSeconds clock) { g_clock.store(clock, std::memory_order_relaxed); }

void FillRandom(char* out, size_t bytes) { g_random.load(std::memory_order_relaxed)(out, bytes); }

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
