// The Verilated core, its wires, its host link and its clock.
#pragma once
#include <algorithm>
#include <memory>
#include <string>

#include "Vopentep_board.h"
#include "board.h"
#include "board_wire.hpp"
#ifdef BOARD_TRACE
#include "verilated_vcd_c.h"
#endif

namespace opentep {

struct Pins {
  static constexpr size_t WORD = BOARD_WIDTH / 8;
  CData *rx_valid, *rx_count, *rx_last, *rx_error, *tx_valid, *tx_ready, *tx_count, *tx_last, *tx_error;
  void *rx_data, *tx_data;
};

class Board {
 public:
  static constexpr int PORTS = BOARD_PORTS;
  // Clocks that `busy` must be low before the clock stops: covers registers between the pins and `busy`.
  static constexpr unsigned QUIET_CLOCKS = 64;

  explicit Board(uint64_t clock_hz);
  ~Board();

  bool set_rate(int port, uint64_t rx_bits, uint64_t tx_bits);
  void set_baud(uint64_t baud) { link_clocks_ = baud ? (clock_hz * 10 + baud - 1) / baud : 1; }
  void send(int port, Frame frame, uint64_t start_clock);
  int run(uint64_t until, uint64_t max_clocks, unsigned stop);
  void trace(const char *path);

  bool inputs_pending() const;
  bool idle() const { return quiet() && !inputs_pending(); }
  bool storm_pending() const { return top_->storm_pending; }
  uint64_t clock_at(uint64_t ns) const;
  uint64_t ns_at(Instant instant, int port) const;
  uint64_t storm_clock(uint64_t number) const;

  const uint64_t clock_hz;
  uint64_t now = 0;     // simulated time in clocks
  uint64_t clocks = 0;  // clocks really simulated
  RxWire<Pins> rx[PORTS];
  TxWire<Pins> tx[PORTS];
  PortStats stats[PORTS];
  std::deque<uint8_t> link_in, link_out;
  bool strobe = false;  // `second` in the next clock
  bool auto_second = true;  // and ticks of storm control
  uint64_t storm_ticks = 0;  // told so far
  bool storm_catch_up(uint64_t ticks);
  uint32_t tx_stall = 0, rx_gap = 0;  // of 65536
  Random random;

 private:
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vopentep_board> top_;
  unsigned quiet_ = 0;
  uint64_t next_second_;
  int storm_exponent_ = -1;  // of a tick in the next clock
  uint64_t storm_free_ = 0;  // as `clocks`: the next one is taken, even if the core is busy
  uint64_t link_clocks_ = 1, link_in_due_ = 0, link_out_due_ = 0;
#ifdef BOARD_TRACE
  std::unique_ptr<VerilatedVcdC> vcd_;
#endif

  bool tick();
  bool quiet() const { return quiet_ >= QUIET_CLOCKS && !strobe && storm_exponent_ < 0; }
  void pass(uint64_t to);
  void edge(int level);
  uint64_t next_event() const;
};

inline Board::Board(uint64_t hz)
    : clock_hz(hz), context_(new VerilatedContext), top_(new Vopentep_board(context_.get())), next_second_(hz) {
  context_->traceEverOn(true);
#define PORT(n)                                                                                           \
  rx[n].pins = tx[n].pins = {&top_->rx##n##_valid, &top_->rx##n##_count, &top_->rx##n##_last,             \
                             &top_->rx##n##_error, &top_->tx##n##_valid, &top_->tx##n##_ready,            \
                             &top_->tx##n##_count, &top_->tx##n##_last,  &top_->tx##n##_error,            \
                             &top_->rx##n##_data,  &top_->tx##n##_data};
#include "board_ports.inc"
#undef PORT
  edge(0);
}

inline Board::~Board() {
#ifdef BOARD_TRACE
  if (vcd_) vcd_->close();
#endif
  top_->final();
}

inline void Board::trace(const char *path) {
#ifdef BOARD_TRACE
  vcd_.reset(new VerilatedVcdC);
  top_->trace(vcd_.get(), 99);
  vcd_->open(path);
#else
  (void)path;
#endif
}

inline bool Board::set_rate(int port, uint64_t rx_bits, uint64_t tx_bits) {
  unsigned __int128 most = (unsigned __int128)clock_hz * BOARD_WIDTH;
  if (!rx_bits || !tx_bits || rx_bits > most || tx_bits > most) return false;
  rx[port].rate = Rate::of(rx_bits, clock_hz);
  tx[port].rate = Rate::of(tx_bits, clock_hz);
  return true;
}

inline uint64_t Board::clock_at(uint64_t ns) const {
  return ((unsigned __int128)ns * clock_hz + 999'999'999) / 1'000'000'000;
}

inline uint64_t Board::ns_at(Instant instant, int port) const {
  uint64_t num = tx[port].rate.num;
  return ((unsigned __int128)instant.clock * num + instant.part) * 1'000'000'000 / num / clock_hz;
}

inline void Board::send(int port, Frame frame, uint64_t start_clock) {
  frame.not_before = start_clock < now ? now : start_clock;
  rx[port].push(std::move(frame));
}

inline bool Board::inputs_pending() const {
  if (!link_in.empty()) return true;
  for (const auto &wire : rx)
    if (!wire.queue.empty()) return true;
  return false;
}

// When a tick of storm control is due.
inline uint64_t Board::storm_clock(uint64_t number) const {
  return ((unsigned __int128)number * clock_hz + BOARD_STORM_TICKS - 1) / BOARD_STORM_TICKS;
}

inline void Board::edge(int level) {
  top_->clk = level;
  top_->eval();
#ifdef BOARD_TRACE
  if (vcd_) vcd_->dump((uint64_t)((unsigned __int128)(2 * now + level) * 500'000'000'000 / clock_hz));
#endif
}

// One clock. Returns whether a frame left a port.
//
// The pins are registered in BoardTop: what they show was driven for clock `now`, so that the handshakes of this
// clock can be read off together with the outputs; then they are driven for the next one.
inline bool Board::tick() {
  bool active = top_->busy, frame = false;
  const uint64_t next = now + 1;
  for (auto &wire : tx) {
    if (*wire.pins.tx_valid && *wire.pins.tx_ready) frame |= wire.take(now, stats[&wire - tx]);
    *wire.pins.tx_ready = next >= wire.free_edge && !random.chance(tx_stall);
  }
  for (auto &wire : rx) {
    *wire.pins.rx_valid = 0;
    if (next < wire.due) continue;
    active = true;
    if (random.chance(rx_gap))
      wire.pause();
    else
      wire.present(next, stats[&wire - rx]);
  }

  if (top_->link_rx_valid && top_->link_rx_ready) {
    link_in.pop_front();
    link_in_due_ = now + link_clocks_;
    active = true;
  }
  top_->link_rx_valid = !link_in.empty() && next >= link_in_due_;
  if (top_->link_rx_valid) top_->link_rx_data = link_in.front();
  if (top_->link_tx_valid && top_->link_tx_ready) {
    link_out.push_back(top_->link_tx_data);
    link_out_due_ = now + link_clocks_;
    active = true;
  }
  top_->link_tx_ready = next >= link_out_due_;

  bool second = strobe || (auto_second && next >= next_second_);
  if (auto_second && next >= next_second_) next_second_ += clock_hz;
  strobe = false;
  top_->second = second;

  bool storm = storm_exponent_ >= 0;
  if (!storm && auto_second && next >= storm_clock(storm_ticks + 1)) {
    storm = true;
    storm_exponent_ = 0;
    storm_ticks++;
  }
  top_->storm_tick = storm;
  if (storm) top_->storm_exponent = storm_exponent_;
  storm_exponent_ = -1;

  quiet_ = active || second || (storm && storm_pending()) ? 0 : quiet_ + 1;
  edge(1);
  edge(0);
  now = next;
  clocks++;
  return frame;
}

// The clock to jump to when nothing happens, so that the next input can be driven in time.
inline uint64_t Board::next_event() const {
  uint64_t next = auto_second ? next_second_ : NEVER;
  for (const auto &wire : rx)
    if (wire.due < next) next = wire.due;
  if (!link_in.empty() && link_in_due_ < next) next = link_in_due_;
  return next == NEVER || !next ? next : next - 1;
}

// Storm control is told that time has come to so many ticks, in the largest step that does not go beyond. False if it
// is still at work.
inline bool Board::storm_catch_up(uint64_t ticks) {
  if (!quiet() && clocks < storm_free_) return false;
  storm_exponent_ = 0;
  while (storm_exponent_ < BOARD_STORM_EXPONENT && storm_ticks + (2ull << storm_exponent_) <= ticks) storm_exponent_++;
  storm_ticks += 1ull << storm_exponent_;
  storm_free_ = clocks + BOARD_STORM_CLOCKS;
  return true;
}

// Nothing happens until clock `to`, but that storm control goes on. All of its ticks but the last one come ahead of time,
// as long as they have an effect, and together.
inline void Board::pass(uint64_t to) {
  if (auto_second) {
    uint64_t ticks = (unsigned __int128)to * BOARD_STORM_TICKS / clock_hz;
    if (!storm_pending()) {
      storm_ticks = std::max(storm_ticks, ticks);
    } else if (ticks > storm_ticks + 1) {
      storm_catch_up(ticks - 1);
      return;
    } else if (ticks > storm_ticks) {
      to = std::max(now, storm_clock(ticks) - 1);
    }
  }
  now = to;
}

inline int Board::run(uint64_t until, uint64_t max_clocks, unsigned stop) {
  uint64_t limit = max_clocks ? clocks + max_clocks : NEVER;
  for (;;) {
    if (stop & BOARD_STOP_LINK && !link_out.empty()) return BOARD_LINK;
    if (quiet()) {
      if (stop & BOARD_STOP_IDLE && !inputs_pending()) return BOARD_IDLE;
      uint64_t next = next_event();
      if (next > now) pass(next < until ? next : until > now ? until : now);
    }
    if (now >= until) return BOARD_TIME;
    if (clocks == limit) return BOARD_CLOCKS;
    if (tick() && stop & BOARD_STOP_FRAME) return BOARD_FRAME;
  }
}

}  // namespace opentep

struct board : opentep::Board {
  using Board::Board;
};
