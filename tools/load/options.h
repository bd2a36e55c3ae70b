// What a command of sluice-load was asked to do, as plain data. tools/load/command_line.h makes it.
#ifndef SLUICE_TOOLS_LOAD_OPTIONS_H_
#define SLUICE_TOOLS_LOAD_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/mechanism.h"
#include "core/base/sock_addr.h"
#include "core/base/time.h"
#include "core/smtp/client.h"
#include "tls/identity.h"
#include "tls/parameters.h"
#include "tools/load/message_files.h"
#include "tools/load/rate_search.h"
#include "tools/load/report_options.h"
#include "tools/load/schedule.h"
#include "tools/load/sink_faults.h"
#include "tools/load/sizes.h"
#include "tools/load/sources.h"
#include "tools/load/users.h"

namespace sluice::load {

// `run`, `login` and `idle`.
struct RunOptions {
  enum class Mode : uint8_t {
    kRun,    // sends messages
    kLogin,  // logs in and takes leave
    kIdle,   // logs in and holds the sessions
  };
  enum class Tls : uint8_t { kNone, kStartTls, kImplicit };
  enum class Pipelining : uint8_t {
    kOff,
    kAuto,  // MAIL, RCPT and DATA at once where the server offers it
    kDeep,  // and the next message's right behind the body: two messages under way on a connection
  };

  // What a client of `mix` does. All but the good fail as they should, and fail no run.
  enum class Behaviour : uint8_t {
    kGood,
    kWrongPassword,
    kSlow,         // sends an octet a tick of the timers (100 ms)
    kHalfClose,    // half a message, then no more octets (FIN), and waits for what the server does
    kQuitInData,   // half a message, QUIT in it, and gone
    kGarbage,      // random octets instead of a greeting or a handshake, and waits
    kConnectOnly,  // says nothing at all
  };

  std::string name;  // of a kind of clients in `mix`
  Behaviour behaviour = Behaviour::kGood;
  Duration think{};          // before the next message, and before a new connection
  bool think_fixed = false;  // else exponential, with that mean

  Mode mode = Mode::kRun;
  std::vector<SockAddr> to;  // at least one; connections take them in turn
  Sources sources;           // empty: the kernel's choice; else of the family of each of `to`
  uint32_t connections = 1;
  uint32_t threads = 1;  // each with its own ring, its own part of connections and messages

  // The end: whichever comes first; at least one is given but with kIdle.
  uint64_t messages = 0;  // to send (kLogin: logins to do); 0: no limit
  Duration time{};        // 0: no limit; kIdle: how long to hold, 0: until a signal

  // 0: closed loop, each connection goes on when it is answered. Otherwise an open loop: messages
  // (kLogin: logins) are due so often a second, over all threads, whatever the server does.
  double rate = 0;
  Arrivals arrivals = Arrivals::kPoisson;
  Duration
      warm_up{};  // open loop: what is due in it is sent, and its latency from then not counted

  // kIdle: that share of the sessions sends a NOOP so often; 0: all are silent.
  Duration keepalive{};
  double keepalive_share = 1;

  Duration every{};  // `soak`: tells how it goes so often, and in the end whether it drifted; 0: no

  uint64_t per_connection = 0;     // messages, then QUIT and a new connection; 0: no limit
  uint32_t logins_at_once = 128;   // connections that are being made, a thread
  Duration timeout = seconds(60);  // of any wait for the server
  bool keep_going = false;         // connect anew, with back-off, when a connection fails

  Sizes sizes;                                 // of the content
  std::shared_ptr<const MessageFiles> files;   // instead, in turn; nullptr: none
  uint32_t recipients_min = 1;                 // of a message: any number from this
  uint32_t recipients = 1;                     // to this
  std::string recipient = "r%d@sink.example";  // %d: 1 to `recipients`
  std::string from;  // %d: the user's number. Empty: the user's name, or load@sluice.example
  uint32_t run = 0;  // the run's part of message numbers

  Tls tls = Tls::kNone;
  tls::Parameters tls_parameters;
  bool resume = false;      // each connection resumes its last session, where the server allows it
  std::optional<tls::IdentityPem> client_certificate;  // shown where the server asks for one
  std::string server_name;  // SNI; empty: none. The certificate is not checked

  std::optional<auth::Mechanism> mechanism;  // nullopt: nobody logs in
  Users users;
  Pipelining pipelining = Pipelining::kAuto;
  std::string ehlo_name = "sluice-load.example";

  std::string json;    // file for the results; "-": standard output; empty: none
  std::string ledger;  // file for accepted messages; empty: none
  ReportOptions report;
};

// `search`.
struct SearchOptions {
  RunOptions run;  // of each try, but for its rate; its time has the warm-up in it
  Duration p99{};  // the bound, from when messages are due
  RateSearch::Options search;
};

// `mix`: kinds of clients that run at once, each as a run of its own.
struct MixOptions {
  RunOptions whole;               // what is told of all good ones together, and how
  std::vector<RunOptions> kinds;  // at least one; all have the same threads
};

struct SinkOptions {
  enum class Tls : uint8_t { kNone, kStartTls, kImplicit };

  std::vector<SockAddr> listen;  // at least one
  uint32_t threads = 1;
  uint32_t connections_max = 16384;  // a thread
  Tls tls = Tls::kNone;
  std::string certificate;  // PEM files; empty: self-signed
  std::string key;
  bool auth = false;   // offers AUTH PLAIN and LOGIN and believes everybody
  bool chunking = true;
  uint64_t until = 0;  // ends after as many messages; 0: at a signal
  SinkFaults faults;

  std::string store;   // folder for messages; empty: none
  std::string ledger;  // file for message numbers; empty: none
  std::string json;    // as above
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_OPTIONS_H_
