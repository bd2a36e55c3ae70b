#include "auth/record.h"

#include "core/base/endian.h"

namespace sluice::auth {
namespace {

constexpr char kFormat = 1;
constexpr size_t kFieldHeaderBytes = 4;

// Never reuse a number. Those from kCriticalField on must be understood by whoever lets the user
// in.
enum Field : uint16_t {
  kVersion = 1,                   // 8 octets
  kScramSha256 = 2,               // iterations(4) salt_bytes(1) salt stored_key(32) server_key(32)
  kTenant = 3,                    // text
  kAddress = 4,                   // text; may stand many times
  kDomain = 5,                    // text; may stand many times
  kDisabled = 0x8001,             // no value
  kNullSenderForbidden = 0x8002,  // no value
};

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void Put(Field type, ByteView value) {
    if (value.size() > UINT16_MAX) {
      fits_ = false;
      return;
    }
    char header[kFieldHeaderBytes];
    StoreLe<uint16_t>(header, type);
    StoreLe<uint16_t>(header + 2, static_cast<uint16_t>(value.size()));
    out_.append(header, sizeof header);
    out_.append(value);
  }
  bool fits() const { return fits_; }

 private:
  std::string& out_;
  bool fits_ = true;
};

std::string EncodeKeys(const ScramSha256Keys& keys) {
  std::string value(4, '\0');
  StoreLe<uint32_t>(value.data(), keys.iterations);
  value += static_cast<char>(keys.salt_bytes);
  value += keys.salt_view();
  value += View(keys.stored_key);
  value += View(keys.server_key);
  return value;
}

bool DecodeKeys(ByteView value, ScramSha256Keys& keys) {
  if (value.size() < 5) return false;
  keys.iterations = LoadLe<uint32_t>(value.data());
  keys.salt_bytes = static_cast<uint8_t>(value[4]);
  value.remove_prefix(5);
  if (keys.iterations == 0 || keys.iterations > kIterationsMax) return false;
  if (keys.salt_bytes > kSaltBytesMax) return false;
  if (value.size() != keys.salt_bytes + 2 * kSha256Bytes) return false;
  value.copy(keys.salt.data(), keys.salt_bytes);
  value.remove_prefix(keys.salt_bytes);
  value.copy(keys.stored_key.data(), kSha256Bytes);
  value.remove_prefix(kSha256Bytes);
  value.copy(keys.server_key.data(), kSha256Bytes);
  return true;
}

bool SetFlag(ByteView value, bool& flag) {
  if (!value.empty() || flag) return false;
  flag = true;
  return true;
}

// One field that is known by its type. `seen` has a bit for each type that may stand once.
bool DecodeKnown(uint16_t type, ByteView value, uint32_t& seen, CredentialRecord& record) {
  const auto once = [&] { return (seen & 1u << type) == 0 && (seen |= 1u << type) != 0; };
  switch (type) {
    case kVersion:
      if (!once() || value.size() != 8) return false;
      record.version = LoadLe<uint64_t>(value.data());
      return true;
    case kScramSha256:
      return once() && DecodeKeys(value, record.scram_sha_256.emplace());
    case kTenant:
      if (!once()) return false;
      record.tenant = value;
      return true;
    case kAddress:
      record.addresses.emplace_back(value);
      return true;
    case kDomain:
      record.domains.emplace_back(value);
      return true;
    case kDisabled:
      return SetFlag(value, record.disabled);
    case kNullSenderForbidden:
      return SetFlag(value, record.null_sender_forbidden);
  }
  return false;  // IsKnown() is false for all others
}

bool IsKnown(uint16_t type) {
  return (type >= kVersion && type <= kDomain) || type == kDisabled || type == kNullSenderForbidden;
}

}  // namespace

bool EncodeRecord(const CredentialRecord& record, std::string& out) {
  const size_t before = out.size();
  out += kFormat;
  Writer writer(out);
  char version[8];
  StoreLe<uint64_t>(version, record.version);
  writer.Put(kVersion, ByteView(version, sizeof version));
  if (record.scram_sha_256.has_value()) writer.Put(kScramSha256, EncodeKeys(*record.scram_sha_256));
  if (!record.tenant.empty()) writer.Put(kTenant, record.tenant);
  for (const std::string& address : record.addresses) writer.Put(kAddress, address);
  for (const std::string& domain : record.domains) writer.Put(kDomain, domain);
  if (record.disabled) writer.Put(kDisabled, "");
  if (record.null_sender_forbidden) writer.Put(kNullSenderForbidden, "");
  out += record.unknown_fields;
  if (writer.fits() && out.size() - before <= kRecordBytesMax) return true;
  out.resize(before);
  return false;
}

bool DecodeRecord(ByteView bytes, CredentialRecord& record) {
  record = CredentialRecord();
  if (bytes.empty() || bytes.size() > kRecordBytesMax || bytes[0] != kFormat) return false;
  bytes.remove_prefix(1);
  uint32_t seen = 0;
  while (!bytes.empty()) {
    if (bytes.size() < kFieldHeaderBytes) return false;
    const uint16_t type = LoadLe<uint16_t>(bytes.data());
    const size_t field_bytes = kFieldHeaderBytes + LoadLe<uint16_t>(bytes.data() + 2);
    if (bytes.size() < field_bytes) return false;
    const ByteView field = bytes.substr(0, field_bytes);
    if (IsKnown(type)) {
      if (!DecodeKnown(type, field.substr(kFieldHeaderBytes), seen, record)) return false;
    } else if (type >= kCriticalField) {
      return false;
    } else {
      record.unknown_fields += field;
    }
    bytes.remove_prefix(field_bytes);
  }
  return (seen & 1u << kVersion) != 0;
}

}  // namespace sluice::auth
