// ChannelIo: the memory that stands for a socket during one call into the TLS library. It lives on the stack of
// that call, so a Channel at rest keeps no pointer to anybody's buffer. Internal to tls/.
#ifndef SLUICE_TLS_CHANNEL_IO_H_
#define SLUICE_TLS_CHANNEL_IO_H_

#include <algorithm>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "tls/library.h"

namespace sluice::tls {

class ChannelIo {
 public:
  // What is in `kept` (or nullptr) is read before `cipher`; both are shortened by what was taken. `pending` is the
  // channel's: see Receive. `ticket_links`: of a server's handshake, see TicketCallback.
  ChannelIo(WOLFSSL* ssl, Buffer* kept, ByteView& cipher, Buffer& out, uint16_t& pending, uint8_t* ticket_links = nullptr)
      : ssl_(ssl), kept_(kept), cipher_(cipher), out_(out), pending_(pending), ticket_links_(ticket_links) {
    wolfSSL_SetIOReadCtx(ssl, this);
    wolfSSL_SetIOWriteCtx(ssl, this);
  }
  ~ChannelIo() {
    wolfSSL_SetIOReadCtx(ssl_, nullptr);
    wolfSSL_SetIOWriteCtx(ssl_, nullptr);
  }
  ChannelIo(const ChannelIo&) = delete;
  ChannelIo& operator=(const ChannelIo&) = delete;

  // Of the call that `ssl` is in.
  static uint8_t* TicketLinks(WOLFSSL* ssl) {
    const auto* io = static_cast<const ChannelIo*>(wolfSSL_GetIOReadCtx(ssl));
    return io == nullptr ? nullptr : io->ticket_links_;
  }

  static void Install(WOLFSSL_CTX* context) {
    wolfSSL_CTX_SetIORecv(context, Receive);
    wolfSSL_CTX_SetIOSend(context, Send);
  }

 private:
  static constexpr size_t kHeaderBytes = 5;

  // The library asks for a record's header (which has its place in the connection's object), makes room on the heap
  // for the whole record, and asks for what is missing of it until it has it. So the largest question since one was
  // last answered in full is the room that it holds.
  static int Receive(WOLFSSL*, char* to, int bytes, void* context) {
    auto* io = static_cast<ChannelIo*>(context);
    const size_t wanted = static_cast<size_t>(bytes);
    size_t given = 0;
    if (io->kept_ != nullptr) {
      given = io->kept_->view().copy(to, wanted);
      io->kept_->Consume(given);
    }
    const size_t more = io->cipher_.copy(to + given, wanted - given);
    io->cipher_.remove_prefix(more);
    given += more;

    if (given == wanted) {
      io->pending_ = 0;
    } else if (wanted > kHeaderBytes && wanted > io->pending_) {
      io->pending_ = static_cast<uint16_t>(std::min<size_t>(wanted, UINT16_MAX));
    }
    return given == 0 ? WOLFSSL_CBIO_ERR_WANT_READ : static_cast<int>(given);
  }

  // Takes everything: back-pressure is the caller's matter, above TLS.
  static int Send(WOLFSSL*, char* from, int bytes, void* context) {
    static_cast<ChannelIo*>(context)->out_.Append(ByteView(from, static_cast<size_t>(bytes)));
    return bytes;
  }

  WOLFSSL* ssl_;
  Buffer* kept_;
  ByteView& cipher_;
  Buffer& out_;
  uint16_t& pending_;
  uint8_t* ticket_links_;
};

}  // namespace sluice::tls

#endif  // SLUICE_TLS_CHANNEL_IO_H_
