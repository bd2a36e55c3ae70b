#include "auth/json_object.h"

#include <set>
#include <vector>

namespace sluice::auth {
namespace {

using nlohmann::json;

// Watches the parser. What it refuses is not kept, so a hostile text costs no more than its length.
class Watch {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        deep_ |= static_cast<size_t>(depth) >= kJsonDepthMax;
        if (!bad()) names_.resize(static_cast<size_t>(depth) + 1);
        break;
      case json::parse_event_t::key:
        if (!bad()) twice_ |= !names_.back().insert(value.get_ref<const std::string&>()).second;
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        if (!bad()) names_.pop_back();
        break;
      case json::parse_event_t::value:
        break;
    }
    return !bad();
  }

  bool bad() const { return deep_ || twice_; }
  bool deep() const { return deep_; }

 private:
  std::vector<std::set<std::string>> names_;  // of the objects that are open
  bool deep_ = false;
  bool twice_ = false;
};

}  // namespace

absl::StatusOr<json> ParseJsonObject(ByteView text) {
  Watch watch;
  json object = json::parse(
      text,
      [&](int depth, json::parse_event_t event, const json& value) {
        return watch(depth, event, value);
      },
      /*allow_exceptions=*/false);
  if (watch.deep()) return absl::InvalidArgumentError("is nested too deep");
  if (watch.bad()) return absl::InvalidArgumentError("has a name twice in one object");
  if (object.is_discarded()) return absl::InvalidArgumentError("is not JSON");
  if (!object.is_object()) return absl::InvalidArgumentError("is JSON, but not an object");
  return object;
}

const json* FindMember(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

const std::string* FindText(const json& object, const char* name) {
  const json* member = FindMember(object, name);
  return member == nullptr ? nullptr : member->get_ptr<const std::string*>();
}

}  // namespace sluice::auth
