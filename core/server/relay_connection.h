// RelayConnection: one connection to a next hop: an smtp::Client over a Stream, with two messages under way where the
// server offers PIPELINING, and as many as it answers in a moment where it offers CHUNKING too. Owned by its NextHop.
// It ends by itself: when it fails, when it was idle too long, or after its share of messages.
#ifndef SLUICE_CORE_SERVER_RELAY_CONNECTION_H_
#define SLUICE_CORE_SERVER_RELAY_CONNECTION_H_

#include <memory>
#include <string>

#include "core/io/timer_wheel.h"
#include "core/net/stream.h"
#include "core/server/delivery.h"
#include "core/smtp/client.h"

namespace sluice::server {

class Relay;
struct NextHop;

class RelayConnection final : public net::StreamOwner {
 public:
  RelayConnection(Relay& relay, NextHop& hop);
  ~RelayConnection();

  void Start();

  // Starts waiting messages as far as the client takes them.
  void StartMore();

  bool ready() const { return ready_ && !leaving_ && !stream_.ending(); }
  bool connecting() const { return !ready_ && !leaving_ && !stream_.ending(); }
  NextHop& hop() { return hop_; }

  // Ends when nothing is under way any more / now.
  void Leave();
  void Abort();

  void OnPart(Delivery& delivery, queue::LoadResult result);

  // --- StreamOwner ---
  void OnSecure() override;
  void OnInput(ByteView& input) override;
  void OnInputEnd() override;
  void OnSent() override;
  void OnClosed(net::CloseReason reason) override;

 private:
  void OnConnect(const io::Completion& completion);
  void Perform(smtp::ClientEffect effect, Buffer& out);
  uint32_t Depth() const;
  void SendBody(Delivery& delivery, Buffer& out);
  void AppendContent(Delivery& delivery, ByteView content, Buffer& out);
  void GoOnWithBody(Buffer& out);
  void EndBody(Buffer& out);
  void Fail(std::string why);
  void LoseAll();
  Delivery& UnderWay(const smtp::OutgoingMessage* message);
  void Expect(Duration within);
  void SetTimer();
  void ExpectReply();
  void OnTimer();
  std::string FailureText() const;

  Relay& relay_;
  NextHop& hop_;
  net::Stream stream_;
  std::unique_ptr<SaslClient> sasl_;  // where we log in; its client's options then name it
  smtp::ClientOptions options_;
  smtp::Client client_;
  io::Op connect_;
  io::Timer timer_;
  MonoTime began_;
  MonoTime deadline_;  // what is expected is late after it
  MonoTime timer_at_;
  IntrusiveList<Delivery> under_way_;  // in the order in which they were started
  Delivery* sending_ = nullptr;        // whose body is going out
  uint32_t messages_ = 0;              // started
  MonoTime answered_;                  // the last one, or when the oldest under way had the server for itself
  Duration answer_time_{};             // of a message, in the mean of the last ones; 0: none yet
  bool ready_ = false;
  bool leaving_ = false;
  bool quit_ = false;
  bool failed_ = false;
  std::string error_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_RELAY_CONNECTION_H_
