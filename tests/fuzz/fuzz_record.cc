// What the credential store keeps, and hashes that are imported.
//
// The first octet chooses; the rest is the input: 'r' a record; 's' what salts users have; 'h'
// another server's hash. What is read is written and read as the same; a hash without a fault is
// proved without one, unless that is dear.
#include <string>

#include "auth/foreign_hash.h"
#include "auth/record.h"
#include "auth/salt_shapes.h"
#include "core/base/check.h"

using namespace sluice;
using namespace sluice::auth;

namespace {

void RunRecord(ByteView bytes) {
  CredentialRecord record;
  if (!DecodeRecord(bytes, record)) return;
  std::string written;
  CHECK(EncodeRecord(record, written) ||
        bytes.size() + 1000 > kRecordBytesMax);  // states are added
  if (written.empty()) return;
  CredentialRecord again;
  CHECK(DecodeRecord(written, again));
  CHECK(again == record);
}

void RunShapes(ByteView bytes) {
  SaltShapes shapes;
  if (!SaltShapes::Decode(bytes, shapes)) return;
  CHECK(shapes.Encode() == bytes);
  CHECK(shapes.entries().size() <= SaltShapes::kMax);
}

void RunHash(ByteView text) {
  if (!ProblemOfForeignHash(text).empty()) {
    CHECK(ProveForeignHash(text, "secret") == Verdict::kMismatch);
    return;
  }
  CHECK(IsForeignScheme(SchemeOf(text)) && text.size() <= kForeignHashBytesMax);
  if (SchemeOf(text).starts_with("SSHA")) (void)ProveForeignHash(text, "secret");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'r':
      RunRecord(input);
      break;
    case 's':
      RunShapes(input);
      break;
    case 'h':
      RunHash(input);
      break;
  }
  return 0;
}
