#include "tools/load/message_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace sluice::load {
namespace {

// Lines may end with CR LF, LF or CR; all of them with CR LF now.
std::string WithCrLf(ByteView content) {
  std::string out;
  out.reserve(content.size() + content.size() / 32);
  for (size_t i = 0; i < content.size(); i++) {
    const char c = content[i];
    if (c != '\r' && c != '\n') {
      out.push_back(c);
      continue;
    }
    if (c == '\r' && i + 1 < content.size() && content[i + 1] == '\n') i++;
    out.append("\r\n");
  }
  if (!out.ends_with("\r\n")) out.append("\r\n");
  return out;
}

}  // namespace

MessageFiles::File MessageFiles::Prepare(ByteView content) {
  const std::string whole = WithCrLf(content);
  File file{.wire = {}, .content_bytes = whole.size()};
  file.wire.reserve(whole.size());
  bool line_start = true;
  for (const char c : whole) {
    if (line_start && c == '.') file.wire.push_back('.');
    file.wire.push_back(c);
    line_start = c == '\n';
    if (static_cast<unsigned char>(c) >= 0x80) file.eight_bit = true;
  }
  return file;
}

absl::StatusOr<MessageFiles> MessageFiles::Load(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".eml") paths.push_back(entry.path());
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  if (paths.empty()) return absl::NotFoundError(absl::StrCat(folder, ": no *.eml files in it"));
  std::sort(paths.begin(), paths.end());
  MessageFiles files;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    if (!in || (in.peek() != EOF && !(text << in.rdbuf()))) {
      return absl::UnavailableError(absl::StrCat("cannot read ", path.string()));
    }
    files.files_.push_back(Prepare(text.view()));
  }
  return files;
}

}  // namespace sluice::load
