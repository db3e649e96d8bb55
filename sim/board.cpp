// C interface of the virtual board, see board.h.
#include "board_model.hpp"

#include <algorithm>

using opentep::Frame;

extern "C" {

board *board_new(uint64_t clock_hz) { return new board(clock_hz); }
void board_free(board *b) { delete b; }

int board_set_rate(board *b, int port, uint64_t rx_bits_per_second, uint64_t tx_bits_per_second) {
  return b->set_rate(port, rx_bits_per_second, tx_bits_per_second) ? 0 : -1;
}

void board_set_stalls(board *b, uint64_t seed, uint32_t tx_stall, uint32_t rx_gap) {
  b->random.seed(seed);
  b->tx_stall = tx_stall;
  b->rx_gap = rx_gap;
}

void board_set_baud(board *b, uint64_t baud) { b->set_baud(baud); }

void board_send(board *b, int port, const uint8_t *octets, size_t length, uint64_t start_ns, int pad, int error) {
  Frame frame;
  frame.octets.assign(octets, octets + length);
  if (pad && length < opentep::MIN_FRAME) frame.octets.resize(opentep::MIN_FRAME);
  frame.error = error;
  b->send(port, std::move(frame), b->clock_at(start_ns));
}

size_t board_pending(const board *b, int port) { return b->rx[port].queue.size(); }

size_t board_next_length(const board *b, int port) {
  const auto &done = b->tx[port].done;
  return done.empty() ? 0 : done.front().octets.size();
}

void board_receive(board *b, int port, uint8_t *octets, board_frame_info *info) {
  auto &done = b->tx[port].done;
  const Frame &frame = done.front();
  std::copy(frame.octets.begin(), frame.octets.end(), octets);
  *info = {b->ns_at(frame.start, port), b->ns_at(frame.end, port), (uint32_t)frame.octets.size(), frame.error};
  done.pop_front();
}

void board_link_write(board *b, const uint8_t *octets, size_t length) {
  b->link_in.insert(b->link_in.end(), octets, octets + length);
}

size_t board_link_available(const board *b) { return b->link_out.size(); }

size_t board_link_read(board *b, uint8_t *octets, size_t room) {
  auto &out = b->link_out;
  size_t length = std::min(room, out.size());
  std::copy_n(out.begin(), length, octets);
  out.erase(out.begin(), out.begin() + length);
  return length;
}

int board_run(board *b, uint64_t until_ns, uint64_t max_clocks, unsigned stop) {
  return b->run(until_ns == UINT64_MAX ? opentep::NEVER : b->clock_at(until_ns), max_clocks, stop);
}

int board_idle(const board *b) { return b->idle(); }
uint64_t board_time_ns(const board *b) { return (unsigned __int128)b->now * 1'000'000'000 / b->clock_hz; }
uint64_t board_clocks(const board *b) { return b->clocks; }

void board_stats(const board *b, int port, board_port_stats *stats) {
  const auto &s = b->stats[port];
  *stats = {s.rx_frames, s.rx_octets, s.tx_frames, s.tx_octets, s.underruns};
}

int board_trace(board *b, const char *path) {
#ifdef BOARD_TRACE
  b->trace(path);
  return 0;
#else
  (void)b, (void)path;
  return -1;
#endif
}

}  // extern "C"
