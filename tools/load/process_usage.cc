#include "tools/load/process_usage.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::load {
namespace {

std::optional<ProcessStat> ReadStat(pid_t pid) {
  std::ifstream in(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  return ProcessStat::Parse(line);
}

std::map<pid_t, ProcessStat> ReadAll() {
  std::map<pid_t, ProcessStat> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    if (const auto stat = ReadStat(pid)) all.emplace(pid, *stat);
  }
  return all;
}

Duration FromTicks(uint64_t ticks) {
  static const auto kTicksPerSecond = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return Duration(static_cast<int64_t>(ticks * (1'000'000'000 / kTicksPerSecond)));
}

}  // namespace

ProcessHoldings ProcessHoldings::Of(std::span<const pid_t> pids) {
  ProcessHoldings sum;
  for (const pid_t pid : pids) {
    std::ifstream in(absl::StrCat("/proc/", pid, "/smaps_rollup"));
    for (std::string word; in >> word;) {
      uint64_t kib = 0;
      if (word == "Pss:" && in >> kib) sum.pss_bytes += kib << 10;
    }
    std::error_code error;
    std::filesystem::directory_iterator files(absl::StrCat("/proc/", pid, "/fd"), error);
    if (!error) sum.descriptors += static_cast<uint32_t>(std::distance(begin(files), end(files)));
  }
  return sum;
}

// proc(5): pid (comm) state ppid ...; utime is field 14, rss 24.
std::optional<ProcessStat> ProcessStat::Parse(std::string_view line) {
  const size_t name_end = line.rfind(')');
  if (name_end == line.npos || name_end + 2 > line.size()) return std::nullopt;
  const std::vector<std::string_view> fields = absl::StrSplit(line.substr(name_end + 2), ' ');
  if (fields.size() < 22) return std::nullopt;
  const auto field = [&](size_t number) { return fields[number - 3]; };
  ProcessStat stat;
  uint64_t own_user = 0;
  uint64_t own_system = 0;
  uint64_t children_user = 0;
  uint64_t children_system = 0;
  const bool good =
      absl::SimpleAtoi(field(4), &stat.parent) && absl::SimpleAtoi(field(14), &own_user) &&
      absl::SimpleAtoi(field(15), &own_system) && absl::SimpleAtoi(field(16), &children_user) &&
      absl::SimpleAtoi(field(17), &children_system) && absl::SimpleAtoi(field(24), &stat.rss_pages);
  if (!good) return std::nullopt;
  stat.user_ticks = own_user + children_user;
  stat.system_ticks = own_system + children_system;
  return stat;
}

absl::StatusOr<ProcessUsage> ProcessUsage::OfTrees(std::span<const pid_t> roots) {
  const std::map<pid_t, ProcessStat> all = ReadAll();
  for (pid_t root : roots) {
    if (!all.contains(root)) return absl::NotFoundError(absl::StrCat("no process ", root));
  }
  const auto belongs = [&](pid_t pid) {
    while (pid > 1) {
      if (std::find(roots.begin(), roots.end(), pid) != roots.end()) return true;
      const auto found = all.find(pid);
      if (found == all.end()) return false;
      pid = found->second.parent;
    }
    return false;
  };
  ProcessUsage usage;
  for (const auto& [pid, stat] : all) {
    if (!belongs(pid)) continue;
    usage.user += FromTicks(stat.user_ticks);
    usage.system += FromTicks(stat.system_ticks);
    usage.rss_bytes += stat.rss_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    usage.processes++;
  }
  return usage;
}

}  // namespace sluice::load
