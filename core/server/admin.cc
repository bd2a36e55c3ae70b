#include "core/server/admin.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <functional>

#include "absl/strings/str_cat.h"
#include "core/base/json_writer.h"
#include "core/server/admin_endpoint.h"

namespace sluice::server {
namespace {

constexpr char kJson[] = "application/json";
constexpr char kPlain[] = "text/plain; charset=utf-8";
constexpr char kPrometheus[] = "text/plain; version=0.0.4; charset=utf-8";

absl::Status Failed(const std::string& what) {
  return absl::ErrnoToStatus(errno, absl::StrCat("admin interface: ", what));
}

std::string ErrorJson(std::string_view text) {
  Buffer out;
  JsonWriter json(&out);
  json.BeginObject();
  json.Field("error", text);
  json.EndObject();
  return std::string(out.view());
}

std::string HealthJson(bool ready, std::string_view why) {
  Buffer out;
  JsonWriter json(&out);
  json.BeginObject();
  json.BoolField("ready", ready);
  if (!ready) json.Field("why", why);
  json.EndObject();
  return std::string(out.view());
}

// A path name's address; false when it does not fit (108 octets with its NUL).
bool UnixAddress(const std::string& path, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address->sun_path) return false;
  path.copy(address->sun_path, path.size());
  return true;
}

bool SomebodyAnswers(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answered =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return answered;
}

absl::StatusOr<int> ListenUnix(const std::string& path) {
  sockaddr_un address;
  if (!UnixAddress(path, &address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("admin interface: ", path, " is too long for a UNIX socket (107 octets)"));
  }
  if (SomebodyAnswers(address)) {
    return absl::AlreadyExistsError(absl::StrCat("admin interface: a server answers at ", path));
  }
  unlink(path.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Failed("socket");
  // Nobody can connect before listen(), so there is no moment with wider permissions.
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), 0600) != 0 || listen(fd, 16) != 0) {
    const absl::Status status = Failed(path);
    close(fd);
    return status;
  }
  return fd;
}

absl::StatusOr<int> ListenTcp(const SockAddr& address) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Failed("socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd, &address.generic, address.bytes()) != 0 || listen(fd, 64) != 0) {
    const absl::Status status = Failed(address.ToString());
    close(fd);
    return status;
  }
  return fd;
}

// For monitors: no user, no message, no credentials asked.
void AddPublicHandlers(httplib::Server& server, AdminSource* source) {
  server.Get("/metrics", [source](const httplib::Request&, httplib::Response& response) {
    std::string why;
    response.set_content(PrometheusText(source->Stats(), source->Ready(&why)), kPrometheus);
  });
  server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", kPlain);
  });
  server.Get("/readyz", [source](const httplib::Request&, httplib::Response& response) {
    std::string why;
    const bool ready = source->Ready(&why);
    response.status = ready ? 200 : 503;
    response.set_content(ready ? "ready\n" : why + "\n", kPlain);
  });
}

bool ReadQueueFilter(const httplib::Request& request, QueueFilter* filter) {
  filter->after = request.get_param_value("after");
  filter->held = request.has_param("held");
  if (!request.has_param("limit")) return true;
  const std::string text = request.get_param_value("limit");
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, filter->limit);
  return error == std::errc() && stop == end && filter->limit >= 1 &&
         filter->limit <= kQueueListMax;
}

void AddShardHandlers(httplib::Server& server, AdminSource* source) {
  server.Get("/v1/shards", [source](const httplib::Request&, httplib::Response& response) {
    response.set_content(source->ShardsJson(), kJson);
  });
  server.Put("/v1/shards", [source](const httplib::Request& request, httplib::Response& response) {
    const absl::StatusOr<std::string> answer = source->SetShards(request.body);
    response.status = answer.ok() ? 200 : absl::IsInvalidArgument(answer.status()) ? 400 : 503;
    response.set_content(answer.ok() ? *answer : ErrorJson(answer.status().message()), kJson);
  });
}

void Answer(const absl::StatusOr<std::string>& answer, httplib::Response& response) {
  response.status = answer.ok() ? 200 : absl::IsInvalidArgument(answer.status()) ? 400 : 503;
  response.set_content(answer.ok() ? *answer : ErrorJson(answer.status().message()), kJson);
}

void AddSessionHandlers(httplib::Server& server, AdminSource* source) {
  server.Get("/v1/sessions", [source](const httplib::Request& request, httplib::Response& response) {
    Answer(source->SessionsJson(request.params), response);
  });
  server.Delete("/v1/sessions", [source](const httplib::Request& request, httplib::Response& response) {
    Answer(source->EndSessions(request.params), response);
  });
}

void AddGuessHandlers(httplib::Server& server, AdminSource* source) {
  server.Get("/v1/guesses", [source](const httplib::Request& request, httplib::Response& response) {
    Answer(source->GuessesJson(request.params), response);
  });
  server.Delete("/v1/guesses",
                [source](const httplib::Request& request, httplib::Response& response) {
                  Answer(source->ForgetGuesses(request.params), response);
                });
}

void AddLocalHandlers(httplib::Server& server, AdminSource* source) {
  AddPublicHandlers(server, source);
  AddShardHandlers(server, source);
  AddSessionHandlers(server, source);
  AddGuessHandlers(server, source);
  server.Get("/v1/stats", [source](const httplib::Request&, httplib::Response& response) {
    response.set_content(StatsJson(source->Stats()), kJson);
  });
  server.Get("/v1/health", [source](const httplib::Request&, httplib::Response& response) {
    std::string why;
    const bool ready = source->Ready(&why);
    response.set_content(HealthJson(ready, why), kJson);
  });
  server.Get("/v1/queue", [source](const httplib::Request& request, httplib::Response& response) {
    QueueFilter filter;
    if (!ReadQueueFilter(request, &filter)) {
      response.status = 400;
      response.set_content(
          ErrorJson(absl::StrCat("limit: expected a number from 1 to ", kQueueListMax)), kJson);
      return;
    }
    const absl::StatusOr<std::string> queue = source->QueueJson(filter);
    response.status = queue.ok() ? 200 : 503;
    response.set_content(queue.ok() ? *queue : ErrorJson(queue.status().message()), kJson);
  });
}

void AddQueueOrders(httplib::Server& server, AdminSource* source) {
  server.Put("/v1/queue", [source](const httplib::Request& request, httplib::Response& response) {
    const absl::StatusOr<QueueOrder> order = ParseQueueOrder(request.body);
    Answer(order.ok() ? source->OrderQueue(*order) : order.status(), response);
  });
}

class RunningAdmin : public Admin {
 public:
  ~RunningAdmin() override {
    if (!socket_path_.empty()) unlink(socket_path_.c_str());
  }

  absl::Status ServeUnix(const std::string& path, AdminSource* source) {
    const absl::StatusOr<int> listener = ListenUnix(path);
    if (!listener.ok()) return listener.status();
    socket_path_ = path;
    local_ = std::make_unique<AdminEndpoint>(*listener, AdminEndpoint::Peers::kOwnerAndRoot);
    AddLocalHandlers(*local_, source);
    AddQueueOrders(*local_, source);
    local_->Start();
    return absl::OkStatus();
  }

  absl::Status ServeTcp(const SockAddr& address, AdminSource* source) {
    const absl::StatusOr<int> listener = ListenTcp(address);
    if (!listener.ok()) return listener.status();
    socklen_t bytes = sizeof tcp_address_.v6;
    if (getsockname(*listener, &tcp_address_.generic, &bytes) != 0) return Failed("getsockname");
    public_ = std::make_unique<AdminEndpoint>(*listener, AdminEndpoint::Peers::kAnyone);
    AddPublicHandlers(*public_, source);
    public_->Start();
    return absl::OkStatus();
  }

  SockAddr tcp_address() const override { return tcp_address_; }

 private:
  std::string socket_path_;
  SockAddr tcp_address_;
  std::unique_ptr<AdminEndpoint> local_;
  std::unique_ptr<AdminEndpoint> public_;
};

}  // namespace

std::string AdminSocketPath(const std::string& state_dir) { return state_dir + "/admin.sock"; }

absl::StatusOr<std::unique_ptr<Admin>> Admin::Start(const AdminEndpoints& endpoints,
                                                    AdminSource* source) {
  auto admin = std::make_unique<RunningAdmin>();
  absl::Status status;
  if (!endpoints.socket_path.empty()) status = admin->ServeUnix(endpoints.socket_path, source);
  if (status.ok() && endpoints.address.known()) status = admin->ServeTcp(endpoints.address, source);
  if (!status.ok()) return status;
  return admin;
}

namespace {

using Ask = std::function<httplib::Result(httplib::Client& client, const httplib::Headers& headers)>;

absl::StatusOr<std::string> AskAdmin(const std::string& socket_path, const std::string& target, const Ask& ask) {
  httplib::Client client(socket_path);
  client.set_address_family(AF_UNIX);
  client.set_connection_timeout(kAdminTimeout);
  client.set_read_timeout(2 * kAdminTimeout);  // the server itself may take one
  const httplib::Result result = ask(client, {{"Host", "localhost"}});
  if (!result) {
    if (access(socket_path.c_str(), R_OK | W_OK) != 0 && errno == EACCES) {  // or its folder
      return absl::PermissionDeniedError(
          absl::StrCat(socket_path, ": only root and the server's own user may ask"));
    }
    return absl::UnavailableError(
        absl::StrCat(socket_path, ": no server answers (", httplib::to_string(result.error()),
                     "): is `sluice serve` running with this configuration?"));
  }
  if (result->status == 403) {
    return absl::PermissionDeniedError(
        absl::StrCat(socket_path, ": only root and the server's own user may ask"));
  }
  if (result->status == 400) return absl::InvalidArgumentError(result->body);
  if (result->status != 200) {
    return absl::InternalError(
        absl::StrCat(target, ": status ", result->status, ": ", result->body));
  }
  return result->body;
}

}  // namespace

absl::StatusOr<std::string> AdminGet(const std::string& socket_path, const std::string& target,
                                     const RequestParameters& parameters) {
  return AskAdmin(socket_path, target, [&](httplib::Client& client, const httplib::Headers& headers) {
    return client.Get(httplib::append_query_params(target, parameters), headers);
  });
}

absl::StatusOr<std::string> AdminDelete(const std::string& socket_path, const std::string& target,
                                        const RequestParameters& parameters) {
  return AskAdmin(socket_path, target, [&](httplib::Client& client, const httplib::Headers& headers) {
    return client.Delete(httplib::append_query_params(target, parameters), headers);
  });
}

absl::StatusOr<std::string> AdminPut(const std::string& socket_path, const std::string& target,
                                     const std::string& body) {
  return AskAdmin(socket_path, target, [&](httplib::Client& client, const httplib::Headers& headers) {
    return client.Put(target, headers, body, kJson);
  });
}

}  // namespace sluice::server
