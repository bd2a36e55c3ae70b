// Channel: one TLS connection over memory, as server or client. Cipher text goes in and plain text comes out, and back.
//
// It knows no socket and never waits. Cipher text received is lent as a view, and what was taken is cut from the
// view's front; cipher text to send is appended to the caller's Buffer, all of it, at once. After any call the
// caller sends what the Buffer holds, also (an alert) when the call failed.
//
//   Channel channel = Channel::Accept(context);
//   switch (channel.Handshake(received, to_send, &info)) ...   until kDone
//   channel.Read(received, plain, to_send) ...                 until kWantRead
//   channel.Write(reply, to_send);
//   channel.Shutdown(to_send);
//
// Not here: TCP's end of stream. A peer that closes without Read having said kClosed cut the stream off: for SMTP
// that ends the session and what is incomplete is thrown away.
//
// One thread. Idle, it holds the library's object and nothing else: no buffers. Movable, so that it can live in a
// field; an empty Channel (default made) does not exist as a connection.
#ifndef SLUICE_TLS_CHANNEL_H_
#define SLUICE_TLS_CHANNEL_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

struct WOLFSSL;

namespace sluice::tls {

enum class Step : uint8_t {
  kWantRead,  // all of `cipher` was taken; call again with more
  kReady,     // server only, at most once: the ClientHello is complete and kept, `cipher` may hold more. Nothing
              // costly was done yet: see NextWork(), and call again (with or without cipher text) when it is this
              // connection's turn
  kDone,      // `cipher` may hold application data already: Read it
  kFailed,    // send what `out` holds, then close; error_text() says why
};

// What the next call of Handshake will do once it has the bytes it waits for.
enum class Work : uint8_t {
  kLight,        // a few microseconds
  kKeyExchange,  // tens of microseconds
  kSignEcdsa,    // key exchange and an ECDSA signature: about 100 microseconds
  kSignRsa,      // key exchange and an RSA signature: about a millisecond with 2048 bits
};

enum class ReadStatus : uint8_t {
  kPlain,     // bytes > 0; call again before waiting: there may be more
  kWantRead,  // nothing now; all of `cipher` was taken
  kClosed,    // the peer said that it sends no more (close_notify). Writing is still allowed
  kFailed,    // send what `out` holds, then close; error_text() says why
};

struct ReadResult {
  ReadStatus status;
  size_t bytes = 0;  // written to `plain`
};

// Filled in by the call of Handshake that returns kDone.
struct HandshakeInfo {
  std::string server_name;  // server: the SNI name that the client asked for; empty: none
  bool has_exporter = false;
  // The channel binding "tls-exporter" (RFC 9266). Absent in TLS 1.2 without extended master secret, and for
  // clients in TLS 1.2.
  std::array<char, 32> exporter{};
  std::string server_end_point;  // server: the channel binding "tls-server-end-point" (RFC 5929)
  // Server: the certificate that the client has shown and holds the key of, good or not; nullptr:
  // none.
  std::unique_ptr<PeerCertificate> peer_certificate;
};

struct ConnectOptions {
  std::string server_name;          // SNI, and the name that a context with trust checks; may be an IP address
                                    // (checked, never sent). Empty only with Trust::kAnyone
  const Session* session = nullptr;  // resume this one if the peer likes
};

class Channel {
 public:
  Channel();
  // The context is kept until the handshake ends.
  static Channel Accept(std::shared_ptr<ServerContext> context);
  // The context may go as soon as this returns. Failures show at the first Handshake.
  static Channel Connect(const ClientContext& context, const ConnectOptions& options);

  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;
  ~Channel();

  explicit operator bool() const { return ssl_ != nullptr || handshake_ != nullptr; }

  // Goes on with the handshake. A client calls it first with no cipher text. With `info` the channel binding is
  // worked out (give it at each call, or never). After a failure it says kFailed again. REQUIRES: not done.
  [[nodiscard]] Step Handshake(ByteView& cipher, Buffer& out, HandshakeInfo* info = nullptr);
  Work NextWork() const;

  // Decrypts into `plain` (not empty) until it is full or `cipher` is used up. Data of a record that did not fit
  // stays inside, so call again, even without cipher text, until the status is another than kPlain.
  // After a failure it says kFailed again. REQUIRES: the handshake is done.
  [[nodiscard]] ReadResult Read(ByteView& cipher, MutableBytes plain, Buffer& out);

  // Whether Write may be called: when the handshake is done, and for a server in TLS 1.3 once its
  // flight has gone
  // ("0.5-RTT data", RFC 8446 section 2). What it writes before the handshake is done only the
  // client can read that it ends with, but that client has proved nothing yet and may be a replay:
  // nothing for one user's eyes.
  bool writable() const;

  // Appends `plain` as records of at most 16 KiB. False: failed, or Shutdown was called. REQUIRES:
  // writable(), or failed().
  [[nodiscard]] bool Write(ByteView plain, Buffer& out);

  // Appends close_notify, once; nothing may be written after it. Does nothing before the end of the handshake or
  // after a failure. The peer's own need not be awaited.
  void Shutdown(Buffer& out);

  bool handshake_done() const { return state_ == State::kOpen; }
  bool failed() const { return state_ == State::kFailed; }

  // Heap held for cipher text that is waiting for its rest, or for plain text that was not read yet: an
  // incomplete record of 16 KiB holds as much however little of it came. 0 when idle.
  size_t pending_bytes() const;

  // As Received headers have them: "TLSv1.3" and "TLS_AES_128_GCM_SHA256". REQUIRES: handshake_done().
  const char* version() const;
  bool is_tls13() const;
  const char* cipher() const;
  bool resumed() const;  // from a ticket: no certificate was sent

  // Client: what a later connection may resume from. In TLS 1.3 the ticket comes with the first data read, so ask
  // when closing. Empty when the server gave none.
  Session TakeSession() const;

  // The failure, for the log: "malformed ClientHello", "no shared cipher". Empty when there is none.
  std::string error_text() const;

  // Gives all memory back. error_text() stays.
  void Discard();

 private:
  enum class State : uint8_t { kHello, kHandshake, kOpen, kFailed };
  struct HandshakeState;

  void Swap(Channel& other) noexcept;
  Step ReadHello(ByteView& cipher, Buffer& out);
  bool CreateServer();
  Step Finish(HandshakeInfo* info);
  void FillInfo(HandshakeInfo& info);
  void Fail(int error);

  WOLFSSL* ssl_ = nullptr;
  std::unique_ptr<HandshakeState> handshake_;  // until the handshake ends
  int16_t error_ = 0;                          // the library's code of the failure
  uint16_t pending_ = 0;
  State state_ = State::kHello;
  bool client_ = false;
  bool shut_down_ = false;
};

static_assert(sizeof(Channel) <= 24, "memory of every idle connection");

}  // namespace sluice::tls

#endif  // SLUICE_TLS_CHANNEL_H_
