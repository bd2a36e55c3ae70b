// A Dovecot authentication server on the simulated network. It knows one user (sim_mail.h), answers
// by itself or as a test says, and misbehaves as its faults have it.
#ifndef SLUICE_TESTS_SIM_SIM_DOVECOT_H_
#define SLUICE_TESTS_SIM_SIM_DOVECOT_H_

#include <map>
#include <string>
#include <vector>

#include "tests/sim/sim_io.h"

namespace sluice::sim {

struct DovecotFaults {
  Duration slow_max{};                  // an answer takes up to this
  uint32_t temporary_per_thousand = 0;  // of requests
  uint32_t silent_per_thousand = 0;     // no answer at all
  uint32_t drop_per_thousand = 0;       // the connection goes away instead
  uint32_t garbage_per_thousand = 0;    // something that is no answer comes instead
};

class SimDovecot final : public Remote {
 public:
  explicit SimDovecot(SimIo& io) : io_(io) {}
  DovecotFaults faults;
  std::string hello =
      "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tff"
      "\nDONE\n";
  bool answers = true;             // false: only what Say says
  std::vector<std::string> heard;  // lines, without the client's introduction
  int ok = 0, failed = 0, dropped = 0;

  void Say(const std::string& text);  // to all who are connected
  void DropAll();
  size_t open() const { return inputs_.size(); }

  // --- Remote ---
  void OnConnected(PeerId peer) override;
  void OnBytes(PeerId peer, ByteView bytes) override;
  void OnClosed(PeerId peer, bool reset) override;

 private:
  void OnLine(PeerId peer, const std::string& line);
  void Reply(PeerId peer, const std::string& text);
  void Judge(PeerId peer, const std::string& id, const std::string& response);

  SimIo& io_;
  std::map<PeerId, std::string> inputs_;
};

}  // namespace sluice::sim

#endif  // SLUICE_TESTS_SIM_SIM_DOVECOT_H_
