// JSON from outside, read strictly (RFC 8259): for tokens and sets of keys, where two readers of
// one text must not come to two results.
#ifndef SLUICE_AUTH_JSON_OBJECT_H_
#define SLUICE_AUTH_JSON_OBJECT_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace sluice::auth {

inline constexpr size_t kJsonDepthMax = 16;

// `text` as one JSON object in UTF-8. InvalidArgument says what is wrong, with nothing of the text
// in it: no JSON, no object, a name twice in one object, nested deeper than kJsonDepthMax.
absl::StatusOr<nlohmann::json> ParseJsonObject(ByteView text);

// The member `name`; nullptr where there is none.
const nlohmann::json* FindMember(const nlohmann::json& object, const char* name);
// The same where it is text; nullptr also where it is something else.
const std::string* FindText(const nlohmann::json& object, const char* name);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_JSON_OBJECT_H_
