// Users: who logs in. One name, a pattern that stands for many, or a list from a file; taken in
// turn by the connections. Immutable once made; any thread.
#ifndef SLUICE_TOOLS_LOAD_USERS_H_
#define SLUICE_TOOLS_LOAD_USERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace sluice::load {

// `pattern` with each %d replaced by `number`.
std::string FillPattern(ByteView pattern, uint64_t number);

struct Login {
  uint64_t number = 1;  // 1 to Users::count()
  std::string name;
  std::string password;
};

class Users {
 public:
  Users() = default;  // one user without a name

  // %d in `name` stands for 1 to `count`. One password for all; %d in it too.
  static Users FromPattern(std::string name, std::string password, uint64_t count);

  // Lines of name:password, or of a name alone, whose password is then `password`. Empty lines and
  // those that begin with # are passed over. InvalidArgument names the line.
  static absl::StatusOr<Users> FromLines(ByteView lines, ByteView password);

  uint64_t count() const { return list_.empty() ? count_ : list_.size(); }

  // The user of the `turn`th login, from 0: they take turns.
  Login At(uint64_t turn) const;

 private:
  std::string name_;
  std::string password_;
  uint64_t count_ = 1;
  std::vector<Login> list_;  // not empty: from a file
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_USERS_H_
