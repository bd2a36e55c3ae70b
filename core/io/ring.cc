#include "core/io/ring.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::io {
namespace {

constexpr uint32_t kNoEntry = UINT32_MAX;
constexpr uint32_t kGenerationMask = 0xffffff;
// A multishot accept takes a whole backlog at one go; below this much room single-shots take over.
constexpr uint32_t kMultishotRoom = 5000;
constexpr uint32_t kSingleShots = 16;

#ifndef SO_PEERNAME
constexpr int SO_PEERNAME = 28;
#endif

MonoTime ReadMono() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return MonoTime(seconds(ts.tv_sec) + nanoseconds(ts.tv_nsec));
}

WallTime ReadWall() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME_COARSE, &ts);
  return WallFromMillis(int64_t{ts.tv_sec} * 1000 + ts.tv_nsec / 1'000'000);
}

uint32_t DescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<uint32_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 22));
}

}  // namespace

Ring::Ring(const RingOptions& options) : Io(ReadMono()), options_(options) { set_now(ReadMono(), ReadWall()); }

Ring::~Ring() {
  rings_.clear();  // ends what is in flight; owners must not expect completions any more
  for (Entry& entry : entries_) {
    if (entry.op != nullptr) entry.op->set_token(0);
  }
  for (Acceptor& acceptor : acceptors_) {
    if (acceptor.op != nullptr) acceptor.op->set_token(0);
  }
  if (wake_fd_ >= 0) close(wake_fd_);
  if (further_fd_ >= 0) close(further_fd_);
}

absl::StatusOr<std::unique_ptr<Ring>> Ring::Create(const RingOptions& options) {
  std::unique_ptr<Ring> ring(new Ring(options));
  if (absl::Status status = ring->Open(); !status.ok()) return status;
  return ring;
}

absl::Status Ring::Open() {
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  further_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0 || further_fd_ < 0) return absl::UnavailableError("eventfd");

  uint32_t table = DescriptorLimit();
  if (options_.table_max > 0) table = std::min(table, options_.table_max);
  table = std::min(table, options_.sockets_max);
  const uint32_t rings = (options_.sockets_max + table - 1) / table;
  if (rings > 255) {
    return absl::ResourceExhaustedError(absl::StrCat(
        options_.sockets_max, " connections a shard need more than 255 rings of ", table,
        " descriptors: raise RLIMIT_NOFILE (LimitNOFILE= in a systemd unit) or lower limits.sessions"));
  }
  for (uint32_t i = 0; i < rings; i++) {
    SubRing::Options options{
        .submission_entries = options_.submission_entries,
        .completion_entries = options_.completion_entries,
        .receive_buffers = BuffersOf(i, options_.receive_buffers),
        .receive_buffer_bytes = options_.receive_buffer_bytes,
        .table_slots = table,
        .notify_fd = i == 0 ? -1 : further_fd_,
        .features = &options_.features,
        .stats = &stats_,
    };
    rings_.push_back(std::make_unique<SubRing>());
    if (absl::Status status = rings_.back()->Open(options); !status.ok()) return status;
  }
  events_.reserve(options_.completion_entries);
  // Moving the entries of hundred thousands would stall; reserved pages cost nothing until they are used.
  entries_.reserve(std::min<size_t>(2 * size_t{options_.sockets_max}, 1 << 20));
  return absl::OkStatus();
}

absl::Status Ring::Enable() {
  for (auto& ring : rings_) {
    if (absl::Status status = ring->Enable(); !status.ok()) return status;
  }
  Arm(NewEntry(nullptr, Kind::kWake, Socket()));
  if (rings_.size() > 1) Arm(NewEntry(nullptr, Kind::kFurtherRings, Socket()));
  return absl::OkStatus();
}

MonoTime Ring::ReadClock() const { return ReadMono(); }

// --- the table of operations ---------------------------------------------------------------------------

uint32_t Ring::NewEntry(Op* op, Kind kind, Socket socket) {
  stats_.operations++;
  uint32_t slot = free_entry_;
  if (slot != kNoEntry) {
    free_entry_ = entries_[slot].next_free;
  } else {
    slot = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  }
  Entry& entry = entries_[slot];
  const uint32_t generation = (entry.generation + 1) & kGenerationMask;
  entry = Entry{};
  entry.op = op;
  entry.generation = generation;
  entry.kind = kind;
  entry.socket = socket;
  if (op != nullptr) {
    CHECK(!op->in_flight());
    op->set_token(slot + 1);
  }
  return slot;
}

void Ring::FreeEntry(uint32_t slot) {
  stats_.operations--;
  Entry& entry = entries_[slot];
  entry.op = nullptr;
  entry.kind = Kind::kNone;
  entry.generation = (entry.generation + 1) & kGenerationMask;
  entry.next_free = free_entry_;
  free_entry_ = slot;
}

uint64_t Ring::UserData(uint32_t slot) const {
  const Entry& entry = entries_[slot];
  return uint64_t{slot} << 32 | uint64_t{entry.generation} << 8 | static_cast<uint8_t>(entry.kind);
}

Ring::Entry& Ring::EntryOf(const Op& op) {
  CHECK(op.in_flight());
  return entries_[op.token() - 1];
}

void Ring::Finish(uint32_t slot, Completion completion) {
  Op* op = entries_[slot].op;
  FreeEntry(slot);
  op->set_token(0);
  op->Complete(completion);
}

// --- requests -------------------------------------------------------------------------------------------

uint32_t Ring::RoomiestRing() const {
  uint32_t best = 0;
  for (uint32_t i = 1; i < rings_.size(); i++) {
    if (rings_[i]->room() > rings_[best]->room()) best = i;
  }
  return best;
}

void Ring::Accept(Op& op, int listener) {
  CHECK(!op.in_flight());
  op.set_token(UINT32_MAX);  // in flight as a whole; the armed accepts have entries of their own
  sockaddr_in6 bound{};
  socklen_t bytes = sizeof bound;
  getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &bytes);
  acceptors_.push_back(Acceptor{.op = &op, .listener = listener, .address_bytes = bytes});
  accepts_dirty_ = true;
}

void Ring::Connect(Op& op, const SockAddr& peer, const SockAddr* source) {
  CHECK(source == nullptr || options_.features.bind);
  const uint32_t slot = NewConnect(op, peer.generic, peer.bytes());
  if (source != nullptr && sources_.size() <= slot) sources_.resize(slot + 1);
  if (slot < sources_.size()) sources_[slot] = source;
  Arm(slot);
}

void Ring::ConnectUnix(Op& op, const sockaddr_un& peer) {
  const uint32_t slot = NewConnect(op, reinterpret_cast<const sockaddr&>(peer), sizeof peer);
  if (slot < sources_.size()) sources_[slot] = nullptr;
  Arm(slot);
}

uint32_t Ring::NewConnect(Op& op, const sockaddr& peer, socklen_t peer_bytes) {
  const uint32_t ring = RoomiestRing();
  const uint32_t slot = NewEntry(&op, Kind::kConnectSocket, Socket(ring << 24));
  entries_[slot].peer = &peer;
  entries_[slot].length = peer_bytes;
  rings_[ring]->sockets++;  // taken now, so that two connects cannot count on the same slot
  return slot;
}

void Ring::Recv(Op& op, Socket socket) { Arm(NewEntry(&op, Kind::kRecv, socket)); }

void Ring::TuneReceive(const ReceiveTuning& tuning) {
  options_.turn_buffers_max = std::clamp(tuning.turn_buffers, 1u, 255u);
  for (uint32_t i = 0; i < rings_.size(); i++) rings_[i]->ProvideBuffers(BuffersOf(i, tuning.buffers));
}

void Ring::Send(Op& op, Socket socket, ByteView bytes) {
  const uint32_t slot = NewEntry(&op, Kind::kSend, socket);
  entries_[slot].data = bytes.data();
  entries_[slot].length = static_cast<uint32_t>(bytes.size());
  Arm(slot);
}

void Ring::Cancel(Op& op) {
  if (!op.in_flight()) return;
  if (op.token() == UINT32_MAX) {  // an acceptor
    for (Acceptor& acceptor : acceptors_) {
      if (acceptor.op == &op) acceptor.op = nullptr;
    }
    op.set_token(0);
    accepts_dirty_ = true;
    return;
  }
  Entry& entry = EntryOf(op);
  if (entry.cancelled) return;
  entry.cancelled = true;
  if (entry.armed) {
    CancelInKernel(entry.socket.value() >> 24, op.token() - 1);
  } else {
    rearm_.push_back(op.token() - 1);  // a receive at rest: the next turn tells its end
  }
}

void Ring::CancelInKernel(uint32_t ring, uint32_t slot) {
  io_uring_sqe* sqe = rings_[ring]->Sqe();
  io_uring_prep_cancel64(sqe, UserData(slot), 0);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, static_cast<uint8_t>(Kind::kIgnored));
}

// A slot of another ring's table is filled; that ring gets no completion of its own, since its owner learns the slot from
// ours. The file is in both tables until we close it here.
void Ring::Pass(Op& op, Socket socket, Io& to) {
  const Ring& other = static_cast<const Ring&>(to);
  const uint32_t slot = NewEntry(&op, Kind::kPass, socket);
  const uint32_t target = other.roomiest_.load(std::memory_order_relaxed);
  entries_[slot].length = target;
  entries_[slot].armed = true;
  io_uring_sqe* sqe = RingOf(socket).Sqe();
  io_uring_prep_msg_ring_fd_alloc(sqe, other.rings_[target]->ring.ring_fd, SlotOf(socket), 0, IORING_MSG_RING_CQE_SKIP);
  io_uring_sqe_set_data64(sqe, UserData(slot));
}

void Ring::OnPass(uint32_t slot, const Event& event) {
  if (event.result < 0) return Finish(slot, Completion{.result = event.result});
  Close(entries_[slot].socket);
  Finish(slot, Completion{.socket = MakeSocket(entries_[slot].length, static_cast<uint32_t>(event.result))});
}

void Ring::Adopt(Socket socket) {
  SubRing& ring = RingOf(socket);
  ring.sockets++;
  if (ring.room() < kMultishotRoom) accepts_dirty_ = true;
}

void Ring::Shutdown(Socket socket) {
  io_uring_sqe* sqe = RingOf(socket).Sqe();
  io_uring_prep_shutdown(sqe, SlotOf(socket), SHUT_WR);
  sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, static_cast<uint8_t>(Kind::kIgnored));
}

void Ring::Close(Socket socket) {
  SubRing& ring = RingOf(socket);
  io_uring_sqe* sqe = ring.Sqe();
  io_uring_prep_close_direct(sqe, static_cast<unsigned>(SlotOf(socket)));
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, static_cast<uint8_t>(Kind::kIgnored));
  ring.sockets--;
  if (ring.room() < kMultishotRoom + 1) accepts_dirty_ = true;
}

void Ring::WriteFile(Op& op, int fd, uint64_t offset, ByteView bytes, Sync sync) {
  const bool pair = sync == Sync::kFdatasync;
  const uint32_t slot = NewEntry(&op, pair ? Kind::kWriteFirst : Kind::kWrite, Socket());
  SubRing& ring = *rings_[0];
  if (pair && io_uring_sq_space_left(&ring.ring) < 2) ring.Submit();  // a link is one submission
  io_uring_sqe* sqe = ring.Sqe();
  io_uring_prep_write(sqe, fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset);
  if (sync == Sync::kDsync) sqe->rw_flags = RWF_DSYNC;
  io_uring_sqe_set_data64(sqe, UserData(slot));
  entries_[slot].length = static_cast<uint32_t>(bytes.size());
  if (!pair) return;
  sqe->flags |= IOSQE_IO_LINK;
  sqe = ring.Sqe();
  io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
  io_uring_sqe_set_data64(sqe, (UserData(slot) & ~uint64_t{0xff}) | static_cast<uint8_t>(Kind::kFdatasync));
}

void Ring::ReadFile(Op& op, int fd, uint64_t offset, MutableBytes bytes) {
  const uint32_t slot = NewEntry(&op, Kind::kRead, Socket());
  io_uring_sqe* sqe = rings_[0]->Sqe();
  io_uring_prep_read(sqe, fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset);
  io_uring_sqe_set_data64(sqe, UserData(slot));
}

void Ring::Arm(uint32_t slot) {
  Entry& entry = entries_[slot];
  SubRing& ring = *rings_[entry.socket.value() >> 24];
  const int fd = SlotOf(entry.socket);
  io_uring_sqe* sqe = ring.Sqe();
  unsigned flags = IOSQE_FIXED_FILE;
  switch (entry.kind) {
    case Kind::kRecv:
      io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
      sqe->buf_group = SubRing::kBufferGroup;
      flags |= IOSQE_BUFFER_SELECT;
      break;
    case Kind::kSend:
      io_uring_prep_send(sqe, fd, entry.data, entry.length, MSG_WAITALL | MSG_NOSIGNAL);
      break;
    case Kind::kConnectSocket:
      io_uring_prep_socket_direct_alloc(sqe, entry.peer->sa_family, SOCK_STREAM, 0, 0);
      flags = 0;
      break;
    case Kind::kBind:
      io_uring_prep_bind(sqe, fd, const_cast<sockaddr*>(&sources_[slot]->generic), sources_[slot]->bytes());
      break;
    case Kind::kConnect:
      io_uring_prep_connect(sqe, fd, entry.peer, entry.length);
      break;
    case Kind::kWake:
      io_uring_prep_poll_multishot(sqe, wake_fd_, POLLIN);
      flags = 0;
      break;
    case Kind::kFurtherRings:
      io_uring_prep_poll_multishot(sqe, further_fd_, POLLIN);
      flags = 0;
      break;
    default:
      CHECK(!"not armed this way");
  }
  sqe->flags |= static_cast<__u8>(flags);
  io_uring_sqe_set_data64(sqe, UserData(slot));
  entry.armed = true;
}

// --- accepting ------------------------------------------------------------------------------------------

void Ring::ServiceAccepts() {
  accepts_dirty_ = false;
  for (uint32_t i = 0; i < acceptors_.size(); i++) ArmAccept(i);
}

void Ring::ArmAccept(uint32_t index) {
  Acceptor& acceptor = acceptors_[index];
  const bool low = rings_[acceptor.ring]->room() < kMultishotRoom;
  if (!acceptor.armed.empty() && (acceptor.op == nullptr || (acceptor.multishot && low))) {
    for (uint32_t slot : acceptor.armed) {
      if (std::exchange(entries_[slot].cancelled, true)) continue;
      CancelInKernel(acceptor.ring, slot);
    }
    return;  // goes on when the kernel has ended it
  }
  if (acceptor.op == nullptr || (!acceptor.armed.empty() && acceptor.multishot)) return;
  if (acceptor.armed.empty()) acceptor.ring = RoomiestRing();
  SubRing& ring = *rings_[acceptor.ring];
  acceptor.multishot = options_.features.multishot_accept && ring.room() >= kMultishotRoom;
  // Room that other listeners' single-shots may take is not ours.
  uint32_t promised = 0;
  for (const Acceptor& other : acceptors_) {
    if (other.ring == acceptor.ring && !other.multishot) promised += static_cast<uint32_t>(other.armed.size());
  }
  const uint32_t room = ring.room() > promised ? ring.room() - promised : 0;
  const auto armed = static_cast<uint32_t>(acceptor.armed.size());
  const uint32_t wanted = acceptor.multishot ? 1 : std::min(kSingleShots, armed + room);
  while (acceptor.armed.size() < wanted) {
    const uint32_t slot = NewEntry(nullptr, Kind::kAccept, Socket(acceptor.ring << 24));
    io_uring_sqe* sqe = ring.Sqe();
    if (acceptor.multishot) {
      io_uring_prep_multishot_accept_direct(sqe, acceptor.listener, nullptr, nullptr, 0);
    } else {
      AcceptAddress* from = entries_[slot].address = NewAddress();
      io_uring_prep_accept_direct(sqe, acceptor.listener, &from->address.generic, &from->bytes, 0,
                                  IORING_FILE_INDEX_ALLOC);
    }
    entries_[slot].length = index;
    entries_[slot].armed = true;
    io_uring_sqe_set_data64(sqe, UserData(slot));
    acceptor.armed.push_back(slot);
  }
}

void Ring::OnAccept(uint32_t slot, const Event& event) {
  const uint32_t index = entries_[slot].length;
  Acceptor& acceptor = acceptors_[index];
  Op* op = acceptor.op;
  SockAddr peer;
  const bool multishot = acceptor.multishot;
  if (AcceptAddress* from = entries_[slot].address; from != nullptr) {  // single-shot
    peer = from->address;
    free_addresses_.push_back(from);
  }
  if (!(event.flags & IORING_CQE_F_MORE)) {
    FreeEntry(slot);
    std::erase(acceptor.armed, slot);
    accepts_dirty_ = true;
  }
  if (event.result < 0) return;  // ECANCELED, ENFILE, ECONNABORTED: ServiceAccepts arms what can be
  rings_[event.ring]->sockets++;
  if (rings_[event.ring]->room() < kMultishotRoom) accepts_dirty_ = true;
  const Socket socket = MakeSocket(event.ring, static_cast<uint32_t>(event.result));
  if (op == nullptr) {
    Close(socket);
  } else if (multishot) {
    FindPeer(index, socket);
  } else {
    op->Complete(Completion{.socket = socket, .peer = &peer});
  }
}

// As many as are under way at a time, and none of them held by a connection.
Ring::AcceptAddress* Ring::NewAddress() {
  if (free_addresses_.empty()) free_addresses_.push_back(&addresses_.emplace_back());
  AcceptAddress* address = free_addresses_.back();
  free_addresses_.pop_back();
  *address = AcceptAddress{};
  return address;
}

void Ring::FindPeer(uint32_t acceptor, Socket socket) {
  const uint32_t slot = NewEntry(nullptr, Kind::kPeerName, socket);
  entries_[slot].length = acceptor;
  AcceptAddress* into = entries_[slot].address = NewAddress();
  io_uring_sqe* sqe = RingOf(socket).Sqe();
  io_uring_prep_cmd_sock(sqe, SOCKET_URING_OP_GETSOCKOPT, SlotOf(socket), SOL_SOCKET, SO_PEERNAME,
                         &into->address,
                         static_cast<int>(acceptors_[acceptor].address_bytes));  // exact, or EINVAL
  sqe->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data64(sqe, UserData(slot));
}

void Ring::OnPeerName(uint32_t slot, const Event& event) {
  const Socket socket = entries_[slot].socket;
  Op* op = acceptors_[entries_[slot].length].op;
  const SockAddr peer = entries_[slot].address->address;
  free_addresses_.push_back(entries_[slot].address);
  FreeEntry(slot);
  if (op == nullptr || event.result < 0) {  // ENOTCONN: gone already
    Close(socket);
    return;
  }
  op->Complete(Completion{.socket = socket, .peer = &peer});
}

// --- completions ----------------------------------------------------------------------------------------

// Before what is armed next: submissions of one ring are begun in order, and this one never waits.
void Ring::PrepareSocket(uint32_t slot, int level, int option) {
  static int one = 1;
  const Socket socket = entries_[slot].socket;
  io_uring_sqe* sqe = RingOf(socket).Sqe();
  io_uring_prep_cmd_sock(sqe, SOCKET_URING_OP_SETSOCKOPT, SlotOf(socket), level, option, &one, sizeof one);
  sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, static_cast<uint8_t>(Kind::kIgnored));
}

void Ring::OnConnect(uint32_t slot, const Event& event) {
  Entry& entry = entries_[slot];
  SubRing& ring = *rings_[event.ring];
  if (entry.kind == Kind::kConnectSocket) {
    if (event.result < 0) {
      ring.sockets--;
      return Finish(slot, Completion{.result = event.result});
    }
    entry.socket = MakeSocket(event.ring, static_cast<uint32_t>(event.result));
    entry.kind = Kind::kConnect;
    if (entry.cancelled) {
      Close(entry.socket);
      return Finish(slot, Completion{.result = -ECANCELED});
    }
    if (options_.features.socket_command && entry.peer->sa_family != AF_UNIX) {  // our sends are whole turns' worth already
      PrepareSocket(slot, IPPROTO_TCP, TCP_NODELAY);
    }
    if (slot < sources_.size() && sources_[slot] != nullptr) {
      PrepareSocket(slot, SOL_IP, IP_BIND_ADDRESS_NO_PORT);  // of IPv6 too
      entry.kind = Kind::kBind;
    }
    return Arm(slot);
  }
  if (entry.kind == Kind::kBind && event.result >= 0 && !entry.cancelled) {
    entry.kind = Kind::kConnect;
    return Arm(slot);
  }
  const Socket socket = entry.socket;
  if (event.result < 0 || entry.kind == Kind::kBind) {
    Close(socket);
    return Finish(slot, Completion{.result = event.result < 0 ? event.result : -ECANCELED});
  }
  Finish(slot, Completion{.socket = socket});
}

void Ring::OnRecv(uint32_t slot, const Event& event) {
  const bool has_buffer = (event.flags & IORING_CQE_F_BUFFER) != 0;
  const uint32_t buffer = event.flags >> IORING_CQE_BUFFER_SHIFT;
  SubRing& ring = *rings_[event.ring];
  Entry* entry = &entries_[slot];
  if (!(event.flags & IORING_CQE_F_MORE)) entry->armed = false;

  if (event.result > 0) {
    if (entry->turn_buffers++ == 0) turn_recvs_.push_back(slot);
    if (entry->turn_buffers == options_.turn_buffers_max && entry->armed) {
      CancelInKernel(event.ring, slot);  // its end, not the caller's wish: re-armed in the next turn
      stats_.paused++;
    }
    const uint32_t generation = entry->generation;
    entry->op->Complete(Completion{.result = event.result,
                                   .bytes = ring.BufferBytes(buffer, static_cast<uint32_t>(event.result))});
    ring.ReturnBuffer(buffer);
    entry = &entries_[slot];  // the callback may have started operations
    DCHECK(entry->generation == generation);
    (void)generation;
    if (!entry->armed && !entry->cancelled) RearmNextTurn(slot);
    return;
  }
  if (has_buffer) ring.ReturnBuffer(buffer);
  if (entry->armed) return;
  const bool ours = event.result == -ENOBUFS || (event.result == -ECANCELED && !entry->cancelled);
  if (event.result == -ENOBUFS) {
    stats_.starved++;
    ring.Starved();
  }
  if (ours && !entry->cancelled) {
    RearmNextTurn(slot);
  } else {
    Finish(slot, Completion{.result = event.result == -ENOBUFS ? -ECANCELED : event.result});
  }
}

// The kernel serves receives in the order in which they are armed, and the first may take all buffers. It is also the
// first to be told that there are no more, so in that order it would be the first for ever.
void Ring::RearmNextTurn(uint32_t slot) { (entries_[slot].turn_buffers > 0 ? rearm_last_ : rearm_).push_back(slot); }

void Ring::OnSend(uint32_t slot, const Event& event) {
  Entry& entry = entries_[slot];
  const auto sent = static_cast<uint32_t>(std::max(event.result, 0));
  if (event.result > 0 && sent < entry.length && !entry.cancelled) {
    entry.data += sent;  // rare: a signal or a memory shortage cut MSG_WAITALL
    entry.length -= sent;
    return Arm(slot);
  }
  Finish(slot, Completion{.result = event.result == 0 ? -EPIPE : event.result});
}

void Ring::Run(const Event& event) {
  const auto kind = static_cast<Kind>(event.user_data & 0xff);
  if (kind == Kind::kIgnored) return;
  const auto slot = static_cast<uint32_t>(event.user_data >> 32);
  const auto generation = static_cast<uint32_t>(event.user_data >> 8) & kGenerationMask;
  CHECK(slot < entries_.size() && entries_[slot].generation == generation);
  Entry& entry = entries_[slot];
  switch (kind) {
    case Kind::kAccept:
      return OnAccept(slot, event);
    case Kind::kPeerName:
      return OnPeerName(slot, event);
    case Kind::kConnectSocket:
    case Kind::kBind:
    case Kind::kConnect:
      return OnConnect(slot, event);
    case Kind::kPass:
      return OnPass(slot, event);
    case Kind::kRecv:
      return OnRecv(slot, event);
    case Kind::kSend:
      return OnSend(slot, event);
    case Kind::kWrite:
    case Kind::kRead:
      return Finish(slot, Completion{.result = event.result});
    case Kind::kWriteFirst:
      entry.result = event.result;
      return;
    case Kind::kFdatasync: {
      const bool written = entry.result == static_cast<int32_t>(entry.length);
      return Finish(slot, Completion{.result = written && event.result < 0 ? event.result : entry.result});
    }
    case Kind::kWake:
    case Kind::kFurtherRings:
      if (!(event.flags & IORING_CQE_F_MORE)) Arm(slot);
      return;
    case Kind::kNone:
    case Kind::kIgnored:
      return;
  }
}

// --- the loop -------------------------------------------------------------------------------------------

void Ring::Sleep(MonoTime from, MonoTime until) {
  bool wait = true;
  if (rings_.size() > 1) {
    for (size_t i = 1; i < rings_.size(); i++) {
      if (rings_[i]->has_submissions()) rings_[i]->Submit();
    }
    for (size_t i = 1; i < rings_.size(); i++) {
      io_uring_cq_eventfd_toggle(&rings_[i]->ring, true);
    }
    for (size_t i = 1; i < rings_.size(); i++) {
      if (rings_[i]->has_work()) wait = false;  // it came before notifications were on
    }
  }
  // Compared before they are subtracted: `until` may be as early as MonoTime::min().
  const Duration left = wait && until > from ? until - from : Duration::zero();
  io_uring* main = &rings_[0]->ring;
  stats_.submissions += io_uring_sq_ready(main);
  if (left <= Duration::zero()) {
    io_uring_submit_and_get_events(main);
  } else {
    const auto whole = std::chrono::duration_cast<seconds>(left);
    __kernel_timespec ts{.tv_sec = whole.count(), .tv_nsec = (left - whole).count()};
    io_uring_cqe* unused = nullptr;
    io_uring_submit_and_wait_timeout(main, &unused, 1, &ts, nullptr);
  }
  for (size_t i = 1; i < rings_.size(); i++) {
    io_uring_cq_eventfd_toggle(&rings_[i]->ring, false);
    if (rings_[i]->has_work()) io_uring_get_events(&rings_[i]->ring);
  }
}

void Ring::Collect() {
  events_.clear();
  for (uint32_t i = 0; i < rings_.size(); i++) {
    io_uring* ring = &rings_[i]->ring;
    if (io_uring_cq_has_overflow(ring)) stats_.overflows++;
    unsigned head;
    unsigned count = 0;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(ring, head, cqe) {
      events_.push_back(Event{cqe->user_data, cqe->res, cqe->flags, i});
      count++;
    }
    io_uring_cq_advance(ring, count);
  }
}

void Ring::Wait(MonoTime until) {
  const MonoTime from = ReadMono();
  if (stats_.polls > 0) EndTurn(from);
  // Buffers of the last turn are back: receives that had to wait go on, cancelled ones end.
  rearming_.swap(rearm_);
  rearming_.insert(rearming_.end(), rearm_last_.begin(), rearm_last_.end());
  rearm_last_.clear();
  for (uint32_t slot : rearming_) {
    Entry& entry = entries_[slot];
    if (entry.kind != Kind::kRecv || entry.armed) continue;
    if (entry.cancelled) {
      until = now();
      ended_.push_back(slot);
      entry.armed = true;  // it may stand here twice: it was at rest, and then cancelled
    } else {
      Arm(slot);
    }
  }
  rearming_.clear();
  if (accepts_dirty_) ServiceAccepts();
  if (const auto deadline = timers().NextDeadline()) until = std::min(until, *deadline);
  Sleep(from, until);
  set_now(ReadMono(), ReadWall());
  Collect();
}

int Ring::RunCallbacks() {
  for (uint32_t slot : ended_) Finish(slot, Completion{.result = -ECANCELED});
  ended_.clear();
  for (const Event& event : events_) Run(event);
  for (uint32_t slot : turn_recvs_) entries_[slot].turn_buffers = 0;
  turn_recvs_.clear();
  stats_.turn_buffers = 0;
  for (auto& ring : rings_) stats_.turn_buffers += ring->PublishBuffers();
  timers().Advance(now());
  stats_.polls++;
  stats_.completions += events_.size();
  stats_.sockets = 0;
  for (auto& ring : rings_) stats_.sockets += ring->sockets;
  if (rings_.size() > 1) roomiest_.store(RoomiestRing(), std::memory_order_relaxed);
  return static_cast<int>(events_.size());
}

void Ring::Submit() {
  for (auto& ring : rings_) {
    if (ring->has_submissions()) ring->Submit();
  }
}

void Ring::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

}  // namespace sluice::io
