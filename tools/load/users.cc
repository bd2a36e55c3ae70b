#include "tools/load/users.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace sluice::load {

std::string FillPattern(ByteView pattern, uint64_t number) {
  return absl::StrReplaceAll(pattern, {{"%d", absl::StrCat(number)}});
}

Users Users::FromPattern(std::string name, std::string password, uint64_t count) {
  Users users;
  users.name_ = std::move(name);
  users.password_ = std::move(password);
  users.count_ = count;
  return users;
}

absl::StatusOr<Users> Users::FromLines(ByteView lines, ByteView password) {
  Users users;
  uint64_t line_number = 0;
  for (ByteView line : absl::StrSplit(lines, '\n')) {
    line_number++;
    line = absl::StripSuffix(line, "\r");
    if (line.empty() || line.front() == '#') continue;
    const std::pair<ByteView, ByteView> parts = absl::StrSplit(line, absl::MaxSplits(':', 1));
    const bool has_password = line.find(':') != ByteView::npos;
    if (parts.first.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", line_number, " has no name before the colon"));
    }
    users.list_.push_back(Login{.number = users.list_.size() + 1,
                                .name = std::string(parts.first),
                                .password = std::string(has_password ? parts.second : password)});
  }
  if (users.list_.empty()) return absl::InvalidArgumentError("no user in it");
  return users;
}

Login Users::At(uint64_t turn) const {
  if (!list_.empty()) return list_[turn % list_.size()];
  const uint64_t number = turn % count_ + 1;
  return Login{.number = number,
               .name = FillPattern(name_, number),
               .password = FillPattern(password_, number)};
}

}  // namespace sluice::load
