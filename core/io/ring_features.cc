#include "core/io/ring_features.h"

#include <liburing.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sluice::io {
namespace {

struct Version {
  int major = 0;
  int minor = 0;
  auto operator<=>(const Version&) const = default;
};

struct FeatureRow {
  const char* name;
  bool RingFeatures::*flag;
  Version since;
};

constexpr std::array<const char*, 4> kNames = {"socket_command", "multishot_accept", "no_sqarray", "bind"};
constexpr FeatureRow kRows[] = {
    {kNames[0], &RingFeatures::socket_command, {6, 7}},
    {kNames[1], &RingFeatures::multishot_accept, {6, 8}},
    {kNames[2], &RingFeatures::no_sqarray, {6, 6}},
    {kNames[3], &RingFeatures::bind, {6, 11}},
};
constexpr Version kFloor = {6, 1};

Version KernelVersion() {
  utsname name{};
  uname(&name);
  Version version;
  if (std::sscanf(name.release, "%d.%d", &version.major, &version.minor) != 2) return {};
  return version;
}

absl::Status Refusal(int error) {
  switch (error) {
    case ENOSYS:
      return absl::UnimplementedError(
          "this kernel has no io_uring: Sluice needs Linux 6.1 or newer with CONFIG_IO_URING");
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(
          "io_uring is forbidden here: allow it by `sysctl kernel.io_uring_disabled=0`; in a container, by a "
          "seccomp profile that permits io_uring_setup, io_uring_enter and io_uring_register; in a systemd "
          "unit, by `SystemCallFilter=@aio`");
    case EINVAL:
      return absl::UnimplementedError(
          "this kernel's io_uring lacks DEFER_TASKRUN: Sluice needs Linux 6.1 or newer");
    case ENOMEM:
      return absl::ResourceExhaustedError(
          "no memory to lock for io_uring: raise RLIMIT_MEMLOCK (LimitMEMLOCK= in a systemd unit)");
    default:
      return absl::UnavailableError(absl::StrCat("io_uring_setup: ", std::strerror(error)));
  }
}

absl::Status TryRing() {
  io_uring ring;
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
  const int error = io_uring_queue_init_params(8, &ring, &params);
  if (error < 0) return Refusal(-error);
  io_uring_queue_exit(&ring);
  return absl::OkStatus();
}

}  // namespace

std::span<const char* const> RingFeatureNames() { return kNames; }

absl::StatusOr<RingFeatures> ProbeRingFeatures(std::span<const std::string> disable) {
  for (const std::string& name : disable) {
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
      return absl::InvalidArgumentError(absl::StrCat("io.disable: no feature \"", name,
                                                     "\"; known are ", absl::StrJoin(kNames, ", ")));
    }
  }
  if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("sse4.2")) {
    return absl::UnimplementedError("this processor has no AES-NI or SSE4.2, which Sluice needs at present");
  }
  const Version kernel = KernelVersion();
  if (kernel != Version{} && kernel < kFloor) {
    return absl::UnimplementedError(absl::StrCat("kernel ", kernel.major, ".", kernel.minor,
                                                 " is too old: Sluice needs Linux 6.1 or newer"));
  }
  if (absl::Status status = TryRing(); !status.ok()) return status;

  RingFeatures features;
  for (const FeatureRow& row : kRows) {
    const bool masked = std::find(disable.begin(), disable.end(), row.name) != disable.end();
    const bool old = kernel < row.since;
    features.*row.flag = !masked && !old;
    features.report.push_back(absl::StrCat(
        row.name, ": ",
        masked ? "off (io.disable)"
               : (old ? absl::StrCat("off (needs Linux ", row.since.major, ".", row.since.minor, ")")
                      : "on")));
  }
  if (!features.socket_command && features.multishot_accept) {
    features.multishot_accept = false;  // without the command there would be no address of the client
    features.report.push_back("multishot_accept: off (needs socket_command)");
  }
  if (!features.socket_command && features.bind) {
    features.bind = false;  // a port would be taken from all peers at once
    features.report.push_back("bind: off (needs socket_command)");
  }
  return features;
}

}  // namespace sluice::io
