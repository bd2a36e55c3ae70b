// SinkConnection: carries bytes between a Stream and a SinkSession.
#ifndef SLUICE_TOOLS_LOAD_SINK_CONNECTION_H_
#define SLUICE_TOOLS_LOAD_SINK_CONNECTION_H_

#include <cstdint>
#include <utility>

#include "core/base/buffer.h"
#include "core/base/slab.h"
#include "core/base/time.h"
#include "core/net/stream.h"
#include "tools/load/sink_session.h"

namespace sluice::load {

class Sink;

// A place in the line of those that wait: when, and a number that makes it unique. {}: none.
using Due = std::pair<MonoTime, uint64_t>;

class SinkConnection final : public net::StreamOwner {
 public:
  SinkConnection(SlabHandle handle, Sink& sink);

  void Start(io::Socket socket);
  void Abort() { stream_.Abort(); }
  void OnDue();  // what it waited for is over

  // --- StreamOwner ---
  void OnSecure() override;
  void OnInput(ByteView& input) override;
  void OnInputEnd() override;
  void OnSent() override;
  void OnClosed(net::CloseReason reason) override;

 private:
  void GoOn();
  void Run(ByteView& input);
  void Wait();
  void Drop();
  void Answer();
  void Capture(ByteView part);

  Sink& sink_;
  const SlabHandle handle_;
  Due due_;                  // where it stands among those that wait
  bool answer_due_ = false;  // a message is to be answered then
  bool dropping_ = false;    // ends when all is sent
  SinkSession session_;
  Buffer message_;  // what is to be kept of a message, while it comes
  net::Stream stream_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SINK_CONNECTION_H_
