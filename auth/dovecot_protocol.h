// The client's side of Dovecot's authentication protocol, major version 1, as a pure machine: lines
// in, events out; and the lines that we say.
//
//   C: VERSION 1 2 / CPID 4711
//   S: VERSION 1 2 / MECH PLAIN plaintext / MECH SCRAM-SHA-256 mutual-auth / SPID 12 / CUID 1 /
//      COOKIE 82..4f / DONE                                                        -> kReady
//   C: AUTH 1 PLAIN service=smtp secured=tls session=.. rip=192.0.2.7 .. resp=AGFubg..
//   S: OK 1 user=ann@example.net sluice_domain=example.net                         -> kOk
//   C: AUTH 2 LOGIN service=smtp ..
//   S: CONT 2 VXNlcm5hbWU6                                                         -> kContinue
//   C: CONT 2 YW5u, or CANCEL 2
//   S: FAIL 2 user=ann@example.net temp                                            -> kFail
//
// Fields are separated by TABs and lines end in LF; in a field TAB, LF, CR and NUL are written as
// octet 1 and a letter. Dovecot's own documentation ("Design.AuthProtocol") is the specification:
// what it does not name (commands, fields, minor versions) is skipped, what it names and is wrong
// breaks the connection.
#ifndef SLUICE_AUTH_DOVECOT_PROTOCOL_H_
#define SLUICE_AUTH_DOVECOT_PROTOCOL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/mechanism.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"

namespace sluice::auth {

// Of a line of ours with its LF: Dovecot drops who sends more, and with it all open requests.
inline constexpr size_t kDovecotSentBytesMax = 8192;
// Of a line of the server's. Dovecot itself expects no more than the above of itself.
inline constexpr size_t kDovecotReadBytesMax = 16384;

class DovecotReader {
 public:
  enum class Event : uint8_t {
    kNone,      // wants more input
    kReady,     // the server has introduced itself: offered()
    kContinue,  // id(), challenge()
    kOk,        // id(), user() and the fields that say what the user may do
    kFail,      // id(), user() when it is known, temporary()
    kBroken,    // this is no such server: error(); nothing more may be read
  };

  // Takes whole lines up to the first event from the front of `input`; what is behind its last LF
  // stays there, and comes again with more.
  [[nodiscard]] Event OnInput(ByteView& input);

  // The mechanisms that we know by name, without those that are not to be shown to clients.
  const MechanismSet& offered() const { return offered_; }

  // Of the last event.
  uint32_t id() const { return id_; }
  ByteView challenge() const { return challenge_; }  // decoded
  ByteView user() const { return user_; }            // as it came; empty: not told
  // Not this user's fault: the server cannot say.
  bool temporary() const { return temporary_; }
  // The password was not proved here: the user is another server's (`nologin`, `proxy`).
  bool elsewhere() const { return elsewhere_; }
  // `sluice_address`, `sluice_domain`: comma lists; `sluice_tenant`.
  const std::vector<std::string>& addresses() const { return addresses_; }
  const std::vector<std::string>& domains() const { return domains_; }
  ByteView tenant() const { return tenant_; }

  ByteView error() const { return error_; }

 private:
  Event OnLine(ByteView line);
  Event OnHandshake(ByteView command, ByteView fields);
  Event OnAnswer(ByteView command, ByteView fields);
  void TakeField(ByteView field);
  void Forget();
  Event Break(ByteView error);

  bool version_seen_ = false;
  bool ready_ = false;
  bool temporary_ = false;
  bool elsewhere_ = false;
  uint32_t id_ = 0;
  MechanismSet offered_;
  std::string challenge_;
  std::string user_;
  std::string tenant_;
  std::vector<std::string> addresses_;
  std::vector<std::string> domains_;
  ByteView error_;
};

// What a request tells beside the mechanism. All is text without meaning to us, and is escaped.
struct DovecotRequest {
  uint32_t id = 0;     // of no other open request of the connection
  ByteView mechanism;  // one that the server offered: for another it closes the connection
  bool tls = false;    // the client's connection is protected
  ByteView session;    // ours, for its log
  ByteView local_ip;   // empty: not known
  uint16_t local_port = 0;
  ByteView remote_ip;
  uint16_t remote_port = 0;
  std::optional<ByteView> response;  // the initial one, not encoded
};

// Each appends a line to `out`. False, and `out` as it was, when it would be longer than
// kDovecotSentBytesMax. What a response held stands in `out` afterwards: the caller wipes it.
void AppendDovecotHello(uint32_t process_id, Buffer& out);
[[nodiscard]] bool AppendDovecotAuth(const DovecotRequest& request, Buffer& out);
[[nodiscard]] bool AppendDovecotContinue(uint32_t id, ByteView response, Buffer& out);
void AppendDovecotCancel(uint32_t id, Buffer& out);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_DOVECOT_PROTOCOL_H_
