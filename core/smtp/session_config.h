// SessionConfig: what a listener's sessions have in common, with every text that can be made
// beforehand. Immutable, so shards share it; it outlives its sessions.
#ifndef SLUICE_CORE_SMTP_SESSION_CONFIG_H_
#define SLUICE_CORE_SMTP_SESSION_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/smtp/body_reader.h"

namespace sluice::smtp {

struct SessionOptions {
  std::string hostname;   // in the greeting and the EHLO reply; printable ASCII
  bool starttls = false;  // offered while in the clear
  // SASL mechanisms in the order of the AUTH line: under TLS, and in the clear (usually none).
  std::vector<std::string> mechanisms;
  std::vector<std::string> mechanisms_clear;
  // Without a login everything but AUTH, EHLO, HELO, NOOP, RSET, QUIT, STARTTLS and HELP gets 530
  // 5.7.0 (RFC 4954 section 6). What is no command gets 500 all the same, and one that is too early
  // 503. False: the outside says which mail it takes from whom.
  bool require_auth = true;
  uint64_t message_bytes_max = 52428800;
  uint32_t recipients_max = 1000;  // RFC 5321 4.5.3.1.8 asks for 100 at least
  // Refused commands (5xx) of a session; one more gets 421. Guessing passwords counts here too.
  uint32_t errors_max = 20;
  // Larger bodies are handed out in parts of about this size. A header section is never cut, so a
  // body buffer can grow to header_bytes_max and this together.
  uint32_t part_bytes = 96 * 1024;
  uint32_t header_bytes_max = 256 * 1024;
  uint32_t received_max = 50;  // more Received fields are a mail loop (RFC 5321 6.3)
  BareLf bare_lf = BareLf::kNormalize;
};

// What only some sessions can use is offered to them alone (RFC 4954 section 4: mechanisms that may
// be used in this session), but known to all, so that an attempt fails and is logged like any
// other.
struct SessionOffer {
  bool external : 1 = false;  // the client has shown a certificate that EXTERNAL can log in by
  bool plus : 1 = false;      // the TLS channel is one that clients know how to bind to: -PLUS
};

class SessionConfig {
 public:
  // REQUIRES: names are printable ASCII without blanks, numbers are not 0.
  explicit SessionConfig(SessionOptions options);

  const SessionOptions& options() const { return options_; }
  ByteView greeting() const { return greeting_; }
  ByteView ehlo_reply(bool tls, bool authenticated, SessionOffer offer = {}) const {
    return tls && !authenticated ? ehlo_tls_[offer.external][offer.plus]
                                 : ehlo_[tls][authenticated];
  }
  ByteView helo_reply() const { return helo_; }

  enum class Offer : uint8_t { kUnknown, kNeedsTls, kOffered };
  // Looks a mechanism up by its name in any case. When offered, `index` is its place in
  // mechanisms(tls).
  Offer FindMechanism(bool tls, ByteView name, uint8_t& index) const;
  bool offers_auth(bool tls) const { return !mechanisms(tls).empty(); }
  const std::vector<std::string>& mechanisms(bool tls) const {
    return tls ? options_.mechanisms : options_.mechanisms_clear;
  }

 private:
  SessionOptions options_;
  std::string greeting_;
  std::string helo_;
  std::string ehlo_[2][2];
  std::string ehlo_tls_[2][2];  // under TLS, not authenticated, by SessionOffer

  std::string EhloText(bool tls, bool authenticated, SessionOffer offer) const;
};

}  // namespace sluice::smtp

#endif  // SLUICE_CORE_SMTP_SESSION_CONFIG_H_
