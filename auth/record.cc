#include "auth/record.h"

#include "auth/scram_keys.h"
#include "core/base/endian.h"

namespace sluice::auth {
namespace {

constexpr char kFormat = 1;
constexpr size_t kFieldHeaderBytes = 4;
constexpr size_t kRateBytes = 10;

// Never reuse a number. Those from kCriticalField on must be understood by whoever lets the user
// in.
enum Field : uint16_t {
  kVersion = 1,                   // 8 octets
  kScramSha256 = 2,               // see EncodeKeys
  kTenant = 3,                    // text
  kAddress = 4,                   // text; may stand many times
  kDomain = 5,                    // text; may stand many times
  kScramSha1 = 6,                 // as kScramSha256
  kScramSha512 = 7,               // likewise
  kCramMd5 = 8,                   // two HMAC-MD5 states, the outer first (32)
  kDigestMd5 = 9,                 // H(user:realm:password) (16), realm
  kActsFor = 20,                  // text; may stand many times
  kOverLimit = 40,                // OverPolicy (1)
  kSuspension = 41,               // when, ms since 1970 (8), why
  kDisabled = 0x8001,             // no value
  kNullSenderForbidden = 0x8002,  // no value
  kRate = 0x8003,                 // counted(1) window(1) max(8); once a kind
  kConnections = 0x8004,          // 4
  kRecipients = 0x8005,           // 4
  kMessageBytes = 0x8006,         // 8
  kNetwork = 0x8007,              // text; may stand many times
  kSuspended = 0x8008,            // no value
  kMechanism = 0x8010,            // name; may stand many times
  // Text. Proves instead of restricting, but a version that does not know it must not change the
  // password either: the old one would be good again for the next that does.
  kForeignHash = 0x8011,
};

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <typename Number>
  void PutNumber(Field type, Number number) {
    char value[sizeof number];
    StoreLe<Number>(value, number);
    Put(type, ByteView(value, sizeof value));
  }
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

constexpr Field kScramFields[kScramHashCount] = {kScramSha1, kScramSha256, kScramSha512};

// iterations(4) salt_bytes(1) salt stored_key(n) server_key(n) states of both(2n, 2n), where n is
// the hash's size. A record of before there were states ends before them.
std::string EncodeKeys(const ScramKeys& keys) {
  std::string value(4, '\0');
  StoreLe<uint32_t>(value.data(), keys.iterations);
  value += static_cast<char>(keys.salt_bytes);
  value += keys.salt_view();
  value += keys.stored_key_view();
  value += keys.server_key_view();
  value += keys.stored_key_states_view();
  value += keys.server_key_states_view();
  return value;
}

bool DecodeKeys(ByteView value, ScramHash hash, ScramKeys& keys) {
  if (value.size() < 5) return false;
  keys.hash = hash;
  keys.iterations = LoadLe<uint32_t>(value.data());
  keys.salt_bytes = static_cast<uint8_t>(value[4]);
  value.remove_prefix(5);
  if (keys.iterations == 0 || keys.iterations > kIterationsMax) return false;
  if (keys.salt_bytes > kSaltBytesMax) return false;
  const size_t bytes = DigestBytes(hash);
  const bool has_states = value.size() == keys.salt_bytes + 6 * bytes;
  if (!has_states && value.size() != keys.salt_bytes + 2 * bytes) return false;
  const auto take = [&value](char* to, size_t count) {
    value.copy(to, count);
    value.remove_prefix(count);
  };
  take(keys.salt.data(), keys.salt_bytes);
  take(keys.stored_key.data(), bytes);
  take(keys.server_key.data(), bytes);
  if (!has_states) {
    KeepStates(keys);
  } else {
    take(keys.stored_key_states.data(), 2 * bytes);
    take(keys.server_key_states.data(), 2 * bytes);
  }
  return true;
}

bool DecodeScram(ByteView value, ScramHash hash, CredentialRecord& record) {
  return DecodeKeys(value, hash, record.Scram(hash).emplace());
}

bool SetFlag(ByteView value, bool& flag) {
  if (!value.empty() || flag) return false;
  flag = true;
  return true;
}

// A number that may stand once, and is not 0 then.
template <typename Number>
bool SetNumber(ByteView value, Number& number) {
  if (value.size() != sizeof(Number) || number != 0) return false;
  number = LoadLe<Number>(value.data());
  return number != 0;
}

bool AddRate(ByteView value, std::vector<RateLimit>& rates) {
  if (value.size() != kRateBytes) return false;
  const auto counted = static_cast<uint8_t>(value[0]), window = static_cast<uint8_t>(value[1]);
  const RateLimit rate{static_cast<Counted>(counted), static_cast<Window>(window),
                       LoadLe<uint64_t>(value.data() + 2)};
  if (counted >= kCounteds || window >= kWindows || rate.max > kRateMax) return false;
  for (const RateLimit& other : rates) {
    if (other.SameKind(rate)) return false;
  }
  rates.push_back(rate);
  return true;
}

bool AddNetwork(ByteView value, std::vector<Network>& networks) {
  const std::optional<Network> network = Network::Parse(value);
  if (network.has_value()) networks.push_back(*network);
  return network.has_value();
}

// One field that is known by its type. `seen` has a bit for each type that may stand once.
bool DecodeKnown(uint16_t type, ByteView value, uint64_t& seen, CredentialRecord& record) {
  const auto once = [&] {
    const uint64_t bit = uint64_t{1} << type;
    return (seen & bit) == 0 && (seen |= bit) != 0;
  };
  switch (type) {
    case kVersion:
      if (!once() || value.size() != 8) return false;
      record.version = LoadLe<uint64_t>(value.data());
      return true;
    case kScramSha1:
      return once() && DecodeScram(value, ScramHash::kSha1, record);
    case kScramSha256:
      return once() && DecodeScram(value, ScramHash::kSha256, record);
    case kScramSha512:
      return once() && DecodeScram(value, ScramHash::kSha512, record);
    case kCramMd5:
      if (!once() || value.size() != sizeof(CramMd5States)) return false;
      value.copy(record.cram_md5.emplace().data(), value.size());
      return true;
    case kDigestMd5: {
      if (!once() || value.size() < Md5::kBytes) return false;
      DigestMd5Key& key = record.digest_md5.emplace();
      value.copy(key.hash.data(), Md5::kBytes);
      key.realm = value.substr(Md5::kBytes);
      return true;
    }
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
    case kActsFor:
      record.acts_for.emplace_back(value);
      return true;
    case kOverLimit: {
      if (!once() || value.size() != 1) return false;
      const auto policy = static_cast<uint8_t>(value[0]);
      record.limits.over_limit = static_cast<OverPolicy>(policy);
      return policy < kOverPolicies;
    }
    case kSuspension:
      if (!once() || value.size() < 8) return false;
      record.suspended_at = WallFromMillis(static_cast<int64_t>(LoadLe<uint64_t>(value.data())));
      record.suspended_why = value.substr(8);
      return true;
    case kDisabled:
      return SetFlag(value, record.disabled);
    case kNullSenderForbidden:
      return SetFlag(value, record.null_sender_forbidden);
    case kRate:
      return AddRate(value, record.limits.rates);
    case kConnections:
      return SetNumber(value, record.limits.connections);
    case kRecipients:
      return SetNumber(value, record.limits.recipients);
    case kMessageBytes:
      return SetNumber(value, record.limits.message_bytes);
    case kNetwork:
      return AddNetwork(value, record.limits.networks);
    case kMechanism: {
      const auto mechanism = FindMechanism(value);
      if (mechanism.has_value()) record.mechanisms.Add(*mechanism);
      return mechanism.has_value();
    }
    case kSuspended:
      return SetFlag(value, record.suspended);
    case kForeignHash:
      if (value.empty() || value.size() > kForeignHashBytesMax || !record.foreign_hash.empty())
        return false;
      record.foreign_hash = value;
      return true;
  }
  return false;  // IsKnown() is false for all others
}

// Whether it is known when and why it is suspended.
bool HasSuspension(const CredentialRecord& record) {
  return record.suspended && record.suspended_at != WallTime();
}

bool IsKnown(uint16_t type) {
  return (type >= kVersion && type <= kDigestMd5) || type == kActsFor || type == kOverLimit ||
         type == kSuspension || type == kMechanism || type == kForeignHash ||
         (type >= kDisabled && type <= kSuspended);
}

}  // namespace

const std::optional<ScramKeys>& CredentialRecord::PasswordKeys() const {
  for (const ScramHash hash : {ScramHash::kSha256, ScramHash::kSha512}) {
    if (Scram(hash).has_value()) return Scram(hash);
  }
  return Scram(ScramHash::kSha1);
}

bool EncodeRecord(const CredentialRecord& record, std::string& out) {
  const size_t before = out.size();
  out += kFormat;
  Writer writer(out);
  writer.PutNumber(kVersion, record.version);
  for (const std::optional<ScramKeys>& keys : record.scram) {
    if (keys.has_value()) {
      writer.Put(kScramFields[static_cast<size_t>(keys->hash)], EncodeKeys(*keys));
    }
  }
  if (record.cram_md5.has_value()) writer.Put(kCramMd5, View(*record.cram_md5));
  if (record.digest_md5.has_value()) {
    const DigestMd5Key& key = *record.digest_md5;
    writer.Put(kDigestMd5, std::string(View(key.hash)) + key.realm);
  }
  if (!record.tenant.empty()) writer.Put(kTenant, record.tenant);
  for (const std::string& address : record.addresses) writer.Put(kAddress, address);
  for (const std::string& domain : record.domains) writer.Put(kDomain, domain);
  for (const std::string& name : record.acts_for) writer.Put(kActsFor, name);
  if (record.limits.over_limit.has_value()) {
    const char policy = static_cast<char>(*record.limits.over_limit);
    writer.Put(kOverLimit, ByteView(&policy, 1));
  }
  if (record.disabled) writer.Put(kDisabled, "");
  if (record.null_sender_forbidden) writer.Put(kNullSenderForbidden, "");
  const LoginLimits& limits = record.limits;
  for (const RateLimit& rate : limits.rates) {
    char value[kRateBytes] = {static_cast<char>(rate.counted), static_cast<char>(rate.window)};
    StoreLe<uint64_t>(value + 2, rate.max);
    writer.Put(kRate, ByteView(value, sizeof value));
  }
  if (limits.connections != 0) writer.PutNumber(kConnections, limits.connections);
  if (limits.recipients != 0) writer.PutNumber(kRecipients, limits.recipients);
  if (limits.message_bytes != 0) writer.PutNumber(kMessageBytes, limits.message_bytes);
  for (const Network& network : limits.networks) writer.Put(kNetwork, network.ToString());
  if (record.suspended) writer.Put(kSuspended, "");
  if (HasSuspension(record)) {
    std::string value(8, '\0');
    StoreLe<uint64_t>(value.data(), static_cast<uint64_t>(WallMillis(record.suspended_at)));
    writer.Put(kSuspension, value + record.suspended_why);
  }
  for (const MechanismInfo& info : Mechanisms()) {
    if (record.mechanisms.Has(info.mechanism)) writer.Put(kMechanism, info.name);
  }
  if (!record.foreign_hash.empty()) writer.Put(kForeignHash, record.foreign_hash);
  out += record.unknown_fields;
  if (writer.fits() && out.size() - before <= kRecordBytesMax) return true;
  out.resize(before);
  return false;
}

bool DecodeRecord(ByteView bytes, CredentialRecord& record) {
  record = CredentialRecord();
  if (bytes.empty() || bytes.size() > kRecordBytesMax || bytes[0] != kFormat) return false;
  bytes.remove_prefix(1);
  uint64_t seen = 0;
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
  if (!HasSuspension(record)) {  // as it is written: one without its flag, or its time, is none
    record.suspended_at = WallTime();
    record.suspended_why.clear();
  }
  return (seen & uint64_t{1} << kVersion) != 0;
}

}  // namespace sluice::auth
