// AdminEndpoint: HTTP on one listening socket, answered by a few threads of its own.
//
// cpp-httplib parses, routes and writes; accepting is ours, since it cannot ask a UNIX peer who it
// is, and since every request here has one deadline and one bound on its size, however slowly it
// comes. One request a connection.
#ifndef SLUICE_CORE_SERVER_ADMIN_ENDPOINT_H_
#define SLUICE_CORE_SERVER_ADMIN_ENDPOINT_H_

#define CPPHTTPLIB_USE_POLL  // select() fails above descriptor 1023
#include <httplib.h>

#include <thread>
#include <vector>

namespace sluice::server {

class AdminEndpoint : public httplib::Server {
 public:
  enum class Peers { kAnyone, kOwnerAndRoot };  // the latter for UNIX sockets

  // Takes over the non-blocking listening socket `listener`. Handlers are set before Start.
  AdminEndpoint(int listener, Peers peers);
  ~AdminEndpoint() override;  // waits for the request under way

  void Start();

 private:
  void Run();
  void Serve(int connection);

  const int listener_;
  const int stop_;  // eventfd, readable when the end has come
  const Peers peers_;
  std::vector<std::thread> threads_;
};

}  // namespace sluice::server

#endif  // SLUICE_CORE_SERVER_ADMIN_ENDPOINT_H_
