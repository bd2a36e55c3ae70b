// SinkConnection: carries bytes between a Stream and a SinkSession.
#ifndef SLUICE_TOOLS_LOAD_SINK_CONNECTION_H_
#define SLUICE_TOOLS_LOAD_SINK_CONNECTION_H_

#include "core/base/buffer.h"
#include "core/base/intrusive_list.h"
#include "core/base/slab.h"
#include "core/net/stream.h"
#include "tools/load/sink_session.h"

namespace sluice::load {

class Sink;

class SinkConnection final : public net::StreamOwner, public ListNode {
 public:
  SinkConnection(SlabHandle handle, Sink& sink);

  void Start(io::Socket socket);
  void Abort() { stream_.Abort(); }
  MonoTime due() const { return due_; }
  void set_due(MonoTime due) { due_ = due; }
  void OnDue();  // the delay of the answer is over

  // --- StreamOwner ---
  void OnSecure() override;
  void OnInput(ByteView& input) override;
  void OnInputEnd() override;
  void OnClosed(net::CloseReason reason) override;

 private:
  void Greet();
  void Run(ByteView& input);
  bool OnMessage();
  void Answer();
  void Capture(ByteView part);

  Sink& sink_;
  const SlabHandle handle_;
  MonoTime due_;
  SinkSession session_;
  Buffer message_;  // what is to be kept of a message, while it comes
  net::Stream stream_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SINK_CONNECTION_H_
