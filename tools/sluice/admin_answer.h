// What the running server answers a subcommand.
#ifndef SLUICE_TOOLS_SLUICE_ADMIN_ANSWER_H_
#define SLUICE_TOOLS_SLUICE_ADMIN_ANSWER_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sluice {

// The JSON of `body` (core/server/admin.h). Ends the command with the server's words where it has
// none: it judges what was asked for, since it knows logins, shards and states.
nlohmann::json AdminAnswer(std::string_view command, const absl::StatusOr<std::string>& body);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_ADMIN_ANSWER_H_
