#include "core/server/dovecot_client.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "auth/prepare.h"
#include "auth/sender_policy.h"
#include "core/server/shard.h"

namespace sluice::server {
namespace {

using auth::DovecotReader;

constexpr Duration kConnectTimeout = seconds(10);  // and for the introduction
constexpr Duration kAnswerTimeout =
    seconds(60);  // Dovecot itself holds failures back for up to 17 s
constexpr Duration kRestMin = milliseconds(100);  // between tries; doubles up to ...
constexpr Duration kRestMax = seconds(5);
constexpr Duration kSteady =
    seconds(1);                         // a connection that lasted this long is made again at once
constexpr size_t kUnsentMax = 1 << 20;  // a server that takes no more is asked no more

bool IsWildcard(const SockAddr& address) {
  if (address.family() == AF_INET6) return IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr);
  return address.v4.sin_addr.s_addr == INADDR_ANY;
}

}  // namespace

// --- an attempt
// ---------------------------------------------------------------------------------------------------

DovecotAttempt::DovecotAttempt(DovecotClient& client, auth::Mechanism mechanism,
                               const DovecotPeer& peer)
    : LoginAttempt(mechanism, client.shard().authenticator().guard()),
      client_(client),
      peer_(peer) {}

DovecotAttempt::~DovecotAttempt() {
  if (id_ != 0) client_.Forget(*this);
}

auth::LoginAttempt::Result DovecotAttempt::Start(std::optional<ByteView> initial, MonoTime) {
  // A session may have been told of a mechanism that is not offered any more.
  if (!client_.can_ask() || !client_.offers(mechanism_)) {
    client_.shard().stats().dovecot_requests_total[DovecotResult::kRefused].Add();
    return Fail(auth::Failure::kTemporary);
  }
  return client_.Ask(*this, initial) ? Result::kWait : Fail(auth::Failure::kMalformed);
}

auth::LoginAttempt::Result DovecotAttempt::Continue(ByteView response, MonoTime) {
  if (id_ == 0 || !client_.can_ask())
    return Fail(auth::Failure::kTemporary);  // it was lost meanwhile
  return client_.Answer(*this, response) ? Result::kWait : Fail(auth::Failure::kMalformed);
}

auth::LoginAttempt::Result DovecotAttempt::OnAnswer(DovecotReader::Event event,
                                                    const DovecotReader& answer) {
  if (event == DovecotReader::Event::kContinue) {
    challenge_ = answer.challenge();
    return Result::kChallenge;
  }
  if (auth::PrepareLogin(answer.user(), auth::Purpose::kQuery, login_) != auth::Prepared::kOk)
    login_.clear();
  // Only now it is known who that is. Whatever the verdict, nothing is learnt of it.
  if (!answer.temporary() && IsThrottled(peer_.client, client_.shard().wall_now())) {
    return Fail(auth::Failure::kThrottled);
  }
  if (event == DovecotReader::Event::kOk) return OnOk(answer);
  return Fail(answer.temporary() ? auth::Failure::kTemporary : auth::Failure::kCredentials);
}

// Nobody is let in on half of what the server says of him.
auth::LoginAttempt::Result DovecotAttempt::OnOk(const DovecotReader& answer) {
  const auto refuse = [&](ByteView why) {
    client_.Warn(absl::StrCat("logins are refused (454): of ",
                              login_.empty() ? "a user" : LoginToLog(login_), " it says ", why));
    return Fail(auth::Failure::kTemporary);
  };
  if (answer.elsewhere())
    return refuse("`nologin` or `proxy`: that another server is to prove the password");
  if (answer.user().empty()) return refuse("no name");
  auth::CredentialRecord policy;
  for (const std::string& address : answer.addresses()) {
    auto canonical = auth::CanonicalAddress(address);
    if (!canonical.has_value()) return refuse("a `sluice_address` that is no address");
    policy.addresses.push_back(*std::move(canonical));
  }
  for (const std::string& domain : answer.domains()) {
    auto canonical = auth::CanonicalDomain(domain);
    if (!canonical.has_value()) return refuse("a `sluice_domain` that is no domain");
    policy.domains.push_back(*std::move(canonical));
  }
  policy.tenant = answer.tenant();
  const auth::Failure failure =
      client_.shard().authenticator().Admit(answer.user(), peer_.client, policy, identity_);
  return failure == auth::Failure::kNone ? Result::kSuccess : Fail(failure);
}

// --- life
// ---------------------------------------------------------------------------------------------------------

DovecotClient::DovecotClient(Shard& shard, const std::string& socket)
    : shard_(shard),
      name_(socket),
      stream_(shard.streams(), *this),
      connect_(io::Completes<&DovecotClient::OnConnect>, this),
      timer_(io::Fires<&DovecotClient::OnTimer>, this),
      backoff_(kRestMin) {
  if (const auto address = SockAddr::Parse(socket)) {
    address_ = *address;
  } else {
    CHECK(socket.size() < sizeof path_.sun_path);  // LoadOptions has seen to it
    path_.sun_family = AF_UNIX;
    std::memcpy(path_.sun_path, socket.data(), socket.size());
  }
}

// Attempts that are left have their connections' shard to outlive; they are gone.
DovecotClient::~DovecotClient() { CHECK(requests_.empty()); }

void DovecotClient::Start() { Connect(); }

void DovecotClient::Stop() {
  if (state_ == State::kStopped) return;
  state_ = State::kStopped;
  timer_.Cancel();
  if (connect_.in_flight()) shard_.io().Cancel(connect_);
  if (attached_) stream_.Abort();
}

void DovecotClient::Connect() {
  state_ = State::kConnecting;
  reader_ = DovecotReader();
  why_.clear();
  warned_ = false;
  ArmTimer(kConnectTimeout);
  if (address_.known()) {
    shard_.io().Connect(connect_, address_);
  } else {
    shard_.io().ConnectUnix(connect_, path_);
  }
}

void DovecotClient::OnConnect(const io::Completion& completion) {
  if (completion.result < 0) {
    if (why_.empty()) why_ = std::strerror(-completion.result);
    return Rest();
  }
  attached_ = true;
  stream_.Attach(completion.socket);
  if (state_ != State::kConnecting) return stream_.Abort();
  state_ = State::kGreeting;
  ArmTimer(kConnectTimeout);
  out_.Clear();
  auth::AppendDovecotHello(static_cast<uint32_t>(getpid()), out_);
  stream_.Write(out_.view());
}

void DovecotClient::OnReady() {
  state_ = State::kReady;
  ready_since_ = heard_ = shard_.now();
  timer_.Cancel();
  shard_.stats().dovecot_connected.Set(1);
  std::string names;
  for (const auth::MechanismInfo& info : auth::Mechanisms()) {
    if (offers(info.mechanism)) absl::StrAppend(&names, " ", info.name);
  }
  shard_.LogAdmin(absl::StrCat("shard ", shard_.index(), ": the authentication server ", name_,
                               " is connected, and offers",
                               names.empty() ? " nothing that is known here" : names));
  down_told_ = false;
  shard_.OnMechanisms(reader_.offered());
}

void DovecotClient::OnInputEnd() { Lose("it closed the connection"); }

void DovecotClient::OnClosed(net::CloseReason reason) {
  attached_ = false;
  if (why_.empty()) {
    why_ = reason == net::CloseReason::kEvicted ? "it was given up for want of memory"
                                                : "the connection was lost";
  }
  Rest();
}

// The connection, or the try to make one, is over.
void DovecotClient::Rest() {
  const bool was_ready = shard_.stats().dovecot_connected.Get() != 0;
  shard_.stats().dovecot_connected.Set(0);
  if (state_ != State::kStopped) {
    state_ = State::kResting;
    TellLoss();
    if (was_ready && shard_.now() - ready_since_ >= kSteady) {
      backoff_ = kRestMin;
      Connect();
    } else {
      const auto half = static_cast<uint64_t>((backoff_ / 2).count());
      ArmTimer(backoff_ / 2 + Duration(shard_.prng().Below(half + 1)));
      backoff_ = std::min(backoff_ * 2, kRestMax);
    }
  }
  LoseAll();
}

void DovecotClient::TellLoss() {
  if (std::exchange(down_told_, true)) return;
  shard_.LogAdmin(absl::StrCat("shard ", shard_.index(), ": the authentication server ", name_,
                               " is not to be had (", why_, "): AUTH is answered 454 until it is"));
}

void DovecotClient::Warn(ByteView words) {
  if (std::exchange(warned_, true)) return;
  shard_.LogAdmin(
      absl::StrCat("shard ", shard_.index(), ": the authentication server ", name_, ": ", words));
}

void DovecotClient::Lose(ByteView why) {
  if (state_ != State::kGreeting && state_ != State::kReady) return;
  state_ = State::kClosing;
  why_ = why;
  timer_.Cancel();
  stream_.Abort();
}

// --- requests
// -----------------------------------------------------------------------------------------------------

bool DovecotClient::can_ask() const {
  return state_ == State::kReady && awaited_count_ < kRequestsMax &&
         stream_.unsent_bytes() < kUnsentMax;
}

bool DovecotClient::Ask(DovecotAttempt& attempt, std::optional<ByteView> initial) {
  do {
    last_id_++;
  } while (last_id_ == 0 || requests_.contains(last_id_));
  const DovecotPeer& peer = attempt.peer_;
  const std::string session = absl::StrCat(absl::Hex(peer.session, absl::kZeroPad16));
  char client_ip[INET6_ADDRSTRLEN], listener_ip[INET6_ADDRSTRLEN];
  out_.Clear();
  if (!Send(auth::AppendDovecotAuth(
          {
              .id = last_id_,
              .mechanism = auth::Info(attempt.mechanism()).name,
              .tls = peer.tls,
              .session = session,
              .local_ip =
                  IsWildcard(peer.listener) ? ByteView() : peer.listener.PrintIp(listener_ip),
              .local_port = peer.listener.port(),
              .remote_ip = peer.client.PrintIp(client_ip),
              .remote_port = peer.client.port(),
              .response = initial,
          },
          out_))) {
    return false;
  }
  attempt.id_ = last_id_;
  requests_.emplace(last_id_, &attempt);
  AwaitAnswer(attempt);
  return true;
}

bool DovecotClient::Answer(DovecotAttempt& attempt, ByteView response) {
  out_.Clear();
  if (!Send(auth::AppendDovecotContinue(attempt.id_, response, out_))) return false;
  AwaitAnswer(attempt);
  return true;
}

bool DovecotClient::Send(bool fits) {
  if (!fits) return false;
  stream_.Write(out_.view());
  Wipe(out_.data(), out_.size());
  return true;
}

void DovecotClient::AwaitAnswer(DovecotAttempt& attempt) {
  attempt.asked_ = shard_.now();
  awaited_.PushBack(attempt);
  shard_.stats().dovecot_requests_open.Set(++awaited_count_);
  if (!timer_.armed()) ArmTimer(kAnswerTimeout);
}

// Its client has gone or gave up.
void DovecotClient::Forget(DovecotAttempt& attempt) {
  if (state_ == State::kReady) {
    out_.Clear();
    auth::AppendDovecotCancel(attempt.id_, out_);
    stream_.Write(out_.view());
  }
  Conclude(attempt, DovecotResult::kCancelled);
}

void DovecotClient::Conclude(DovecotAttempt& attempt, DovecotResult result) {
  shard_.stats().dovecot_requests_total[result].Add();
  requests_.erase(std::exchange(attempt.id_, 0));
  if (!attempt.linked()) return;
  attempt.Unlink();
  shard_.stats().dovecot_requests_open.Set(--awaited_count_);
}

// No answer will come. The attempt may be gone after it.
void DovecotClient::Lost(DovecotAttempt& attempt) {
  Connection* const connection = shard_.WaitsForLogin(attempt.peer_.connection);
  if (connection != nullptr) connection->OnLoginResult(attempt.Fail(auth::Failure::kTemporary));
}

void DovecotClient::OnInput(ByteView& input) {
  heard_ = shard_.now();
  while (state_ == State::kGreeting || state_ == State::kReady) {
    const DovecotReader::Event event = reader_.OnInput(input);
    if (event == DovecotReader::Event::kNone) return;
    if (event == DovecotReader::Event::kBroken) {
      Lose(absl::StrCat("it ", reader_.error()));
      break;
    }
    if (event == DovecotReader::Event::kReady) {
      OnReady();
      continue;
    }
    const auto found = requests_.find(reader_.id());
    if (found == requests_.end() || !found->second->linked()) continue;  // cancelled, or not asked
    OnAnswer(event, *found->second);
  }
  input = ByteView();
}

void DovecotClient::OnAnswer(DovecotReader::Event event, DovecotAttempt& attempt) {
  Connection* const connection = shard_.WaitsForLogin(attempt.peer_.connection);
  if (connection == nullptr) return;  // it is about to go, and cancels
  if (event == DovecotReader::Event::kContinue) {
    attempt.Unlink();
    shard_.stats().dovecot_requests_open.Set(--awaited_count_);
  } else if (event == DovecotReader::Event::kOk) {
    Conclude(attempt, DovecotResult::kOk);
  } else {
    Conclude(attempt, reader_.temporary() ? DovecotResult::kTemporary : DovecotResult::kRejected);
  }
  connection->OnLoginResult(attempt.OnAnswer(event, reader_));  // the attempt may be gone after it
}

// All that the server knew of is forgotten there. Who waits hears it; whose turn it was anyway, at
// the next answer.
void DovecotClient::LoseAll() {
  for (const auto& [id, attempt] : requests_) {
    attempt->id_ = 0;
    shard_.stats().dovecot_requests_total[DovecotResult::kLost].Add();
  }
  requests_.clear();
  shard_.stats().dovecot_requests_open.Set(awaited_count_ = 0);
  while (DovecotAttempt* attempt = awaited_.PopFront()) Lost(*attempt);
}

// --- time
// ---------------------------------------------------------------------------------------------------------

void DovecotClient::ArmTimer(Duration delay) {
  shard_.io().timers().Set(timer_, shard_.now() + delay);
}

void DovecotClient::OnTimer() {
  switch (state_) {
    case State::kResting:
      return Connect();
    case State::kConnecting:
      why_ = "it could not be reached in time";
      return shard_.io().Cancel(connect_);
    case State::kGreeting:
      return Lose("it did not introduce itself in time");
    case State::kReady:
      return CheckAnswers();
    case State::kClosing:
    case State::kStopped:
      return;
  }
}

// One late answer is that request's; when nothing has come since it was asked, the connection is
// dead.
void DovecotClient::CheckAnswers() {
  while (DovecotAttempt* attempt = awaited_.front()) {
    const MonoTime due = attempt->asked_ + kAnswerTimeout;
    if (due > shard_.now()) return ArmTimer(due - shard_.now());
    if (heard_ <= attempt->asked_) return Lose("it did not answer in time");
    out_.Clear();
    auth::AppendDovecotCancel(attempt->id_, out_);
    stream_.Write(out_.view());
    Conclude(*attempt, DovecotResult::kLost);
    Lost(*attempt);
  }
}

}  // namespace sluice::server
