// The live loop: packets of Linux interfaces and octets of a pty in and out of the running board.
#include <poll.h>

#include <algorithm>

#include "board_model.hpp"
#include "board_packets.hpp"

using namespace opentep;

namespace {

constexpr uint64_t SECOND_NS = 1'000'000'000;
// Simulated between two looks at the interfaces: a millisecond or two.
constexpr uint64_t BATCH_CLOCKS = 512;
// Frames waiting for the wire into the core; more stay in the kernel's queue, which drops when full.
constexpr size_t WAITING_FRAMES = 32;
// Octets either way between pty and core; what a stalled reader leaves beyond it is lost, as on a UART.
constexpr size_t LINK_OCTETS = 65536;

class LivePort {
 public:
  // `medium` is when the next frame may start. All ports share it: the core takes in one frame at a time, so that
  // a single busy port gets all of its speed and several together never get more.
  LivePort(board &b, int index, const board_attachment &attachment, board_attachment_stats &stats, Instant &medium)
      : board_(b), index_(index), attachment_(attachment), stats_(stats), medium_(medium) {}

  int open_capture() { return attachment_.capture && !capture_.open(attachment_.capture) ? errno : 0; }
  bool wants_frames() const { return attachment_.fd >= 0 && board_.rx[index_].queue.size() < WAITING_FRAMES; }
  void flush() { capture_.flush(); }

  // Returns 0 or an errno value that says that the interface is gone.
  int receive() {
    uint64_t offloaded = stats_.offloaded;
    auto give = [this](const uint8_t *octets, size_t length) { accept(octets, length); };
    int error = attachment_.packet ? socket_.receive(attachment_.fd, stats_.offloaded, give) : read_tap(give);
    if (stats_.offloaded && !offloaded)
      fprintf(stderr,
              "opentep board: port %d: dropped a frame whose sender leaves segmentation to its network card; "
              "switch that off there: ethtool -K DEVICE tso off gso off gro off\n",
              index_);
    // ENETDOWN is reported once when the interface goes down; it may come up again.
    return error == EAGAIN || error == EINTR || error == ENETDOWN || error == ENOBUFS ? 0 : error;
  }

  // Hands what left the core to the interface.
  void send() {
    auto &done = board_.tx[index_].done;
    const std::vector<uint8_t> *batch[PacketSocket::BATCH];
    while (!done.empty()) {
      size_t frames = 0, taken = std::min(done.size(), PacketSocket::BATCH);
      for (size_t i = 0; i < taken; i++) {
        if (done[i].error) continue;
        capture_.write(done[i].octets.data(), done[i].octets.size());
        batch[frames++] = &done[i].octets;
      }
      size_t sent = attachment_.fd < 0 ? 0 : attachment_.packet ? socket_.send(attachment_.fd, batch, frames)
                                                                : write_tap(batch, frames);
      stats_.sent += sent;
      stats_.not_sent += taken - sent;
      done.erase(done.begin(), done.begin() + taken);
    }
  }

 private:
  board &board_;
  int index_;
  const board_attachment &attachment_;
  board_attachment_stats &stats_;
  Instant &medium_;
  PacketSocket socket_;
  Capture capture_;

  void accept(const uint8_t *octets, size_t length) {
    stats_.received++;
    Frame frame;
    frame.octets.assign(octets, octets + length);
    if (length < MIN_FRAME) frame.octets.resize(MIN_FRAME);
    capture_.write(frame.octets.data(), frame.octets.size());
    if (medium_.clock < board_.now) medium_ = {board_.now, 0};
    uint64_t start = medium_.edge();
    medium_ = board_.rx[index_].rate.after(medium_, frame.octets.size() + FCS + GAP_AND_PREAMBLE);
    board_.send(index_, std::move(frame), start);
  }

  template <class Give>
  int read_tap(Give give) {
    uint8_t octets[PacketSocket::ROOM];
    for (size_t i = 0; i < PacketSocket::BATCH; i++) {
      ssize_t length = read(attachment_.fd, octets, sizeof octets);
      if (length < 0) return errno;
      if (length) give(octets, length);
    }
    return 0;
  }

  size_t write_tap(const std::vector<uint8_t> *const *frames, size_t count) {
    size_t taken = 0;
    for (size_t i = 0; i < count; i++)
      taken += write(attachment_.fd, frames[i]->data(), frames[i]->size()) == (ssize_t)frames[i]->size();
    return taken;
  }
};

// Between the pty and the host link. Returns 0 or an errno value.
int link_receive(board &b, int fd) {
  uint8_t octets[4096];
  ssize_t length = read(fd, octets, sizeof octets);
  if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : errno;
  b.link_in.insert(b.link_in.end(), octets, octets + length);
  return 0;
}

int link_send(board &b, int fd) {
  auto &out = b.link_out;
  uint8_t octets[4096];
  while (!out.empty()) {
    size_t length = std::min(out.size(), sizeof octets);
    std::copy_n(out.begin(), length, octets);
    ssize_t sent = write(fd, octets, length);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) return errno;
      break;
    }
    out.erase(out.begin(), out.begin() + sent);
  }
  if (out.size() > LINK_OCTETS) out.resize(LINK_OCTETS);
  return 0;
}

}  // namespace

extern "C" int board_live(board *b, const board_attachment *attachments, board_attachment_stats *stats, int link_fd,
                          int stop_fd, int *failed_port) {
  constexpr int PORTS = Board::PORTS, LINK = PORTS, STOP = PORTS + 1;
  std::deque<LivePort> ports;
  Instant medium;
  for (int port = 0; port < PORTS; port++) {
    ports.emplace_back(*b, port, attachments[port], stats[port], medium);
    *failed_port = port;
    if (int error = ports[port].open_capture()) return error;
  }

  b->auto_second = false;
  const uint64_t begin = clock_ns(CLOCK_MONOTONIC);
  b->storm_ticks = 0;
  uint64_t next_second = begin + SECOND_NS;
  for (;;) {
    pollfd polled[PORTS + 2];
    for (int port = 0; port < PORTS; port++)
      polled[port] = {ports[port].wants_frames() ? attachments[port].fd : -1, POLLIN, 0};
    short link_events = (b->link_in.size() < LINK_OCTETS ? POLLIN : 0) | (b->link_out.empty() ? 0 : POLLOUT);
    polled[LINK] = {link_events ? link_fd : -1, link_events, 0};
    polled[STOP] = {stop_fd, POLLIN, 0};

    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    int wait_ms = !b->idle() || now >= next_second ? 0 : (next_second - now) / 1'000'000 + 1;
    if (poll(polled, PORTS + 2, wait_ms) < 0 && errno != EINTR) return errno;
    if (polled[STOP].revents) return 0;
    now = clock_ns(CLOCK_MONOTONIC);
    if (now >= next_second) {
      b->strobe = true;
      next_second = std::max(next_second + SECOND_NS, now);
    }

    // Frames that come now meet buckets as full as they are now.
    const uint64_t ticks = (unsigned __int128)(now - begin) * BOARD_STORM_TICKS / SECOND_NS;
    while (b->storm_pending() && b->storm_ticks < ticks && b->storm_catch_up(ticks)) {
      if (b->run(NEVER, BATCH_CLOCKS, BOARD_STOP_IDLE) != BOARD_IDLE) break;
    }
    if (!b->storm_pending()) b->storm_ticks = ticks;

    for (int port = 0; port < PORTS; port++) {
      if (!polled[port].revents) continue;
      *failed_port = port;
      if (int error = ports[port].receive()) return error;
    }
    *failed_port = -1;
    if (polled[LINK].revents & (POLLIN | POLLERR | POLLHUP))
      if (int error = link_receive(*b, link_fd)) return error;

    b->run(NEVER, BATCH_CLOCKS, BOARD_STOP_IDLE);

    for (auto &port : ports) port.send();
    if (link_fd >= 0 && !b->link_out.empty())
      if (int error = link_send(*b, link_fd)) return error;
    if (b->idle())
      for (auto &port : ports) port.flush();
  }
}
