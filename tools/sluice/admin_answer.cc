#include "tools/sluice/admin_answer.h"

#include <sysexits.h>

#include "tools/sluice/fail.h"

namespace sluice {

nlohmann::json AdminAnswer(std::string_view command, const absl::StatusOr<std::string>& body) {
  if (absl::IsInvalidArgument(body.status())) {
    const auto answer = nlohmann::json::parse(body.status().message(), nullptr, false);
    const std::string why = answer.is_object() ? answer.value("error", "") : "";
    Fail(command, why.empty() ? body.status().message() : why, EX_USAGE);
  }
  if (!body.ok()) Fail(command, body.status());
  return nlohmann::json::parse(*body);
}

}  // namespace sluice
