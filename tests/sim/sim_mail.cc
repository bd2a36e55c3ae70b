#include "tests/sim/sim_mail.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "auth/scram_keys.h"
#include "core/base/base64.h"

namespace sluice::sim {
namespace {

constexpr char kTag[] = "X-Number: ";
constexpr int kUnknown = -1;  // a bounce of a message whose client never learnt its id

std::string DotStuffed(const std::string& content) {
  std::string out;
  bool line_start = true;
  for (char c : content) {
    if (line_start && c == '.') out += '.';
    out += c;
    line_start = c == '\n';
  }
  return out + ".\r\n";
}

// Lines of all kinds, among them dots; up to several parts long now and then.
std::string MakeContent(int number, Prng& prng) {
  std::string content = kTag + std::to_string(number) + "\r\nSubject: test\r\n\r\n";
  const uint64_t lines = prng.Chance(1, 12) ? prng.Between(2000, 4000) : prng.Below(60);
  for (uint64_t i = 0; i < lines; i++) {
    if (prng.Chance(1, 7)) content += ".";
    content += std::string(prng.Below(70), static_cast<char>('a' + prng.Below(26))) + "\r\n";
  }
  return content;
}

}  // namespace

int MessageNumber(ByteView content) {
  const size_t at = content.find(kTag);
  return at == ByteView::npos ? 0 : std::atoi(content.data() + at + sizeof kTag - 1);
}

// --- authentication ---------------------------------------------------------------------------------------------

OneUserStore::OneUserStore() {
  record_.version = 1;
  record_.Scram(auth::ScramHash::kSha256) =
      auth::DeriveScramKeys(auth::ScramHash::kSha256, kPassword, "sixteen octets..", 1);
  record_.addresses = {kUser};
}

auth::LookupStatus OneUserStore::Lookup(ByteView login, auth::CredentialRecord& record) {
  if (login != kUser) return auth::LookupStatus::kNotFound;
  record = record_;
  return auth::LookupStatus::kFound;
}

bool SimVerifier::Submit(auth::VerifyJob&& job) {
  if (jobs_.size() >= 2) return false;
  jobs_.push_back(std::move(job));
  return true;
}

void SimVerifier::RunOne() {
  auth::VerifyJob job = std::move(jobs_.front());
  jobs_.pop_front();
  sink_(job.token, auth::Prove(job));
}

// --- the client ---------------------------------------------------------------------------------------------------

MailClient::MailClient(SimIo& io, Account& account, int messages, bool stranger)
    : io_(io),
      account_(account),
      left_(messages),
      pipelined_(io.prng().Chance(1, 2)),
      stranger_(stranger) {}

void MailClient::OnConnected(PeerId peer) { peer_ = peer; }

void MailClient::OnClosed(PeerId, bool) { closed_ = true; }

void MailClient::OnBytes(PeerId, ByteView bytes) {
  input_.append(bytes);
  size_t end;
  while ((end = input_.find("\r\n")) != std::string::npos) {
    const std::string line = input_.substr(0, end);
    input_.erase(0, end + 2);
    if (line.size() > 3 && line[3] == '-') continue;
    OnReply(line);
  }
}

void MailClient::Quit() {
  state_ = State::kQuit;
  Send("QUIT\r\n");
}

void MailClient::StartMessage() {
  if (left_-- <= 0) return Quit();
  message_ = account_.next++;
  account_.messages[message_].content = MakeContent(message_, io_.prng());
  recipients_ = static_cast<uint32_t>(io_.prng().Chance(1, 3) ? io_.prng().Between(2, 4) : 1);
  answered_ = 0;
  state_ = State::kMail;
  Send(std::string("MAIL FROM:<") + kUser + ">\r\n");
  if (!pipelined_) return;
  for (uint32_t i = 0; i < recipients_; i++) SendRcpt();
  Send("DATA\r\n");
}

void MailClient::SendRcpt() {
  std::set<std::string>& recipients = account_.messages[message_].recipients;
  const bool local = stranger_ || io_.prng().Chance(1, 3);
  const std::string address =
      "bob" + std::to_string(recipients.size()) + (local ? "@Local.example" : "@example.org");
  recipients.insert(address);
  Send("RCPT TO:<" + address + ">\r\n");
}

void MailClient::SendBody() {
  const std::string wire = DotStuffed(account_.messages[message_].content);
  // Some clients go away in the middle.
  if (io_.prng().Chance(1, 40)) {
    Send(wire.substr(0, io_.prng().Below(wire.size())));
    io_.PeerFinish(peer_);
    state_ = State::kOver;
    return;
  }
  Send(wire);
}

void MailClient::OnReply(const std::string& line) {
  const int code = std::atoi(line.c_str());
  if (code == 421) {
    state_ = State::kOver;
    return;
  }
  switch (state_) {
    case State::kGreeting:
      EXPECT_EQ(code, 220) << line;
      state_ = State::kEhlo;
      return Send("EHLO client.example\r\n");
    case State::kEhlo: {
      EXPECT_EQ(code, 250) << line;
      if (stranger_) return StartMessage();
      state_ = State::kAuth;
      const std::string secret = std::string("\0", 1) + kUser + std::string("\0", 1) + kPassword;
      return Send("AUTH PLAIN " + Base64Encode(secret) + "\r\n");
    }
    case State::kAuth:
      EXPECT_TRUE(code == 235 || code == 454) << line;
      if (code == 235) return StartMessage();
      return Quit();
    case State::kMail:
      if (code != 250) {  // the spool is full or failed
        EXPECT_TRUE(code == 452 || code == 451) << line;
        if (!pipelined_) return Quit();
      }
      state_ = State::kRcpt;
      if (!pipelined_) SendRcpt();
      return;
    case State::kRcpt:
      if (++answered_ < recipients_) {
        if (!pipelined_) SendRcpt();
        return;
      }
      state_ = State::kData;
      if (!pipelined_) Send("DATA\r\n");
      return;
    case State::kData:
      if (code != 354) return Quit();
      state_ = State::kBody;
      return SendBody();
    case State::kBody: {
      const size_t id = line.find("queued as ");
      if (code == 250) {
        EXPECT_NE(id, std::string::npos) << line;
        Account::Message& message = account_.messages[message_];
        message.acknowledged = true;
        message.queue_id = line.substr(id + 10);
      } else {
        EXPECT_TRUE(code == 451 || code == 452) << line;
      }
      return StartMessage();
    }
    case State::kQuit:
      EXPECT_EQ(code, 221) << line;
      state_ = State::kOver;
      return;
    case State::kOver:
      return;
  }
}

// --- the next hop -------------------------------------------------------------------------------------------------

void NextHopServer::OnConnected(PeerId peer) {
  sessions_[peer];
  Reply(peer, Chance(faults.transient_per_thousand) ? "421 busy" : "220 hop.example ESMTP");
}

void NextHopServer::OnBytes(PeerId peer, ByteView bytes) {
  auto it = sessions_.find(peer);
  if (it == sessions_.end()) return;
  Session& session = it->second;
  session.input.append(bytes);
  size_t end;
  while (!session.dropped) {
    if (session.in_chunk) {
      if (!OnChunk(peer, session)) return;
      continue;
    }
    if ((end = session.input.find("\r\n")) == std::string::npos) return;
    const std::string line = session.input.substr(0, end);
    session.input.erase(0, end + 2);
    if (!session.in_data) {
      OnLine(peer, session, line);
    } else if (line == ".") {
      session.in_data = false;
      OnMessage(peer, session);
    } else {
      session.content += (line.starts_with(".") ? line.substr(1) : line) + "\r\n";
      AnswerEarly(peer, session);
    }
  }
}

// False: more of it is wanted. What was refused leaves the transaction open: only RSET ends it.
bool NextHopServer::OnChunk(PeerId peer, Session& session) {
  const size_t taken = std::min(session.chunk_left, session.input.size());
  session.content.append(session.input, 0, taken);
  session.input.erase(0, taken);
  session.chunk_left -= taken;
  AnswerEarly(peer, session);
  if (session.chunk_left > 0) return false;
  session.in_chunk = false;
  account_.chunks++;
  if (session.recipients.empty()) {
    if (!session.answered_early) Reply(peer, "554 no recipients");
    session.answered_early = false;
  } else if (OnMessage(peer, session)) {
    session.open = false;
  }
  return true;
}

// Some servers refuse a body while it comes: by its size, its content, or because they are shut down.
void NextHopServer::AnswerEarly(PeerId peer, Session& session) {
  if (session.answered_early || session.content.size() < 500 || !Chance(faults.early_per_thousand)) return;
  session.answered_early = true;
  account_.early_answers++;
  const bool may_fail = !session.sender.empty() && MessageNumber(session.content) != 0;
  Reply(peer, Chance(300) ? "421 going down" : may_fail && Chance(500) ? "552 5.3.4 too big" : "452 4.3.1 no room");
  if (!Chance(500)) return;
  session.dropped = true;
  io_.PeerFinish(peer);
}

void NextHopServer::OnLine(PeerId peer, Session& session, const std::string& line) {
  if (Chance(faults.drop_per_thousand)) {
    session.dropped = true;
    return io_.PeerFinish(peer);
  }
  if (line.starts_with("EHLO")) {
    const std::string features = std::string("250-hop.example\r\n250-PIPELINING\r\n") +
                                 (faults.chunking ? "250-CHUNKING\r\n" : "") + "250 8BITMIME";
    return Reply(peer, faults.pipelining ? features : "250 hop.example");
  }
  if (line.starts_with("MAIL FROM:<")) {
    if (faults.chunking && faults.pipelining && session.open) {
      ADD_FAILURE() << "MAIL in a transaction that is open";
      return Reply(peer, "503 nested");
    }
    session.sender = line.substr(11, line.find('>') - 11);
    session.recipients.clear();
    session.content.clear();
    if (Chance(faults.transient_per_thousand)) {
      session.sender = "refused";
      return Reply(peer, "451 4.3.0 later");
    }
    session.open = true;
    return Reply(peer, "250 ok");
  }
  if (line.starts_with("RCPT TO:<")) {
    if (session.sender == "refused") return Reply(peer, "503 no sender");
    if (Chance(faults.transient_per_thousand)) return Reply(peer, "450 4.2.1 mailbox busy");
    const std::string address = line.substr(9, line.find('>') - 9);
    EXPECT_EQ(address.ends_with("@Local.example"), local_)
        << address << " has come to the wrong next hop";
    if (address != kUser && Chance(faults.permanent_per_thousand)) return Reply(peer, "550 5.1.1 no such user");
    session.recipients.push_back(address);
    return Reply(peer, "250 ok");
  }
  if (line == "DATA") {
    if (session.recipients.empty()) return Reply(peer, "554 no recipients");
    session.in_data = true;
    return Reply(peer, "354 go on");
  }
  if (line.starts_with("BDAT ") && faults.chunking) {
    EXPECT_TRUE(line.ends_with(" LAST")) << line;
    session.chunk_left = std::stoul(line.substr(5));
    session.content.clear();
    session.in_chunk = true;
    return;
  }
  if (line == "QUIT") {
    Reply(peer, "221 bye");
    return io_.PeerFinish(peer);
  }
  if (line == "RSET") {
    session.open = false;
    session.recipients.clear();
  }
  Reply(peer, line == "RSET" ? "250 ok" : "502 what?");
}

// A bounce whose original could not be read back names it by its queue id alone.
int NextHopServer::NumberOf(const Session& session) {
  const int number = MessageNumber(session.content);
  if (number != 0 || !session.sender.empty()) return number;
  for (const auto& [candidate, message] : account_.messages) {
    const bool named = session.content.find("X-Sluice-Queue-ID: " + message.queue_id + "\r\n") != std::string::npos;
    if (!message.queue_id.empty() && named) return candidate;
  }
  return kUnknown;
}

// Whether it was taken.
bool NextHopServer::OnMessage(PeerId peer, Session& session) {
  if (std::exchange(session.answered_early, false)) return false;
  if (Chance(faults.transient_per_thousand)) {
    Reply(peer, "451 4.3.0 try later");
    return false;
  }
  const int number = NumberOf(session);
  if (number == kUnknown) {
    Reply(peer, "250 taken");
    return true;
  }
  if (!account_.messages.contains(number)) {
    ADD_FAILURE() << "nobody sent " << session.content;
    return true;
  }
  Account::Message& message = account_.messages[number];
  if (session.sender.empty()) {  // a bounce, back to the sender
    EXPECT_EQ(session.recipients, std::vector<std::string>{kUser});
    EXPECT_NE(session.content.find("multipart/report"), std::string::npos);
    account_.bounces++;
    for (const std::string& recipient : message.recipients) {
      const bool named = session.content.find("Final-Recipient: rfc822; " + recipient) != std::string::npos;
      if (named) account_.bounced[number].insert(recipient);
    }
  } else {
    EXPECT_EQ(session.sender, kUser);
    EXPECT_TRUE(session.content.starts_with("Received: ")) << session.content.substr(0, 80);
    EXPECT_TRUE(session.content.ends_with(message.content)) << "the content of " << number << " has changed";
    const size_t before = message.delivered.size();
    for (const std::string& recipient : session.recipients) message.delivered[recipient]++;
    const auto is_ours = [&](const auto& one) {
      return one.first.ends_with("@Local.example") == local_;
    };
    const bool elsewhere =
        !std::all_of(message.delivered.begin(), message.delivered.end(), is_ours);
    if (elsewhere && message.delivered.size() > before) account_.split++;
  }
  // Taken, but the answer is lost: the sender must send it again.
  if (Chance(faults.drop_per_thousand)) {
    session.dropped = true;
    io_.PeerFinish(peer);
    return true;
  }
  Reply(peer, "250 taken");
  return true;
}

}  // namespace sluice::sim
