#include "tests/support/client_certificates.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/check.h"

namespace sluice {
namespace {

struct Folder {
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "sluice-certificates-XXXXXX";
    CHECK(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
    CHECK(std::system(("tests/support/client_certificates.sh " + path).c_str()) == 0);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace

const std::string& ClientCertificates() {
  static const Folder folder;
  return folder.path;
}

std::string ClientCertificate(const std::string& name) {
  std::ifstream file(ClientCertificates() + "/" + name, std::ios::binary);
  CHECK(file.good());
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

}  // namespace sluice
