// Ethernet wires at the ports of the Verilated core: pacing, padding, words.
#pragma once
#include <cstdint>
#include <cstring>
#include <deque>
#include <numeric>
#include <vector>

namespace opentep {

constexpr uint64_t NEVER = UINT64_MAX;
constexpr size_t MIN_FRAME = 60;  // without FCS
constexpr size_t FCS = 4;
constexpr size_t GAP_AND_PREAMBLE = 12 + 8;

// A point in time in clocks, exact to fractions of an octet: `clock` + `part` / Rate::num.
struct Instant {
  uint64_t clock = 0;
  uint64_t part = 0;

  bool operator<(const Instant &other) const {
    return clock != other.clock ? clock < other.clock : part < other.part;
  }
  // The first clock edge at or behind this instant.
  uint64_t edge() const { return clock + (part != 0); }
};

// Octets per clock as num / den.
struct Rate {
  uint64_t num = 1, den = 1;

  static Rate of(uint64_t bits_per_second, uint64_t clock_hz) {
    uint64_t octet_clocks = 8 * clock_hz, divisor = std::gcd(bits_per_second, octet_clocks);
    return {bits_per_second / divisor, octet_clocks / divisor};
  }
  Instant after(Instant start, uint64_t octets) const {
    unsigned __int128 total = start.part + (unsigned __int128)octets * den;
    return {start.clock + (uint64_t)(total / num), (uint64_t)(total % num)};
  }
};

struct Frame {
  std::vector<uint8_t> octets;
  uint64_t not_before = 0;  // clock
  bool error = false;
  Instant start, end;
};

struct PortStats {
  uint64_t rx_frames = 0, rx_octets = 0, tx_frames = 0, tx_octets = 0, underruns = 0;
};

// xorshift64*: cheap, and the same on every machine.
class Random {
 public:
  void seed(uint64_t value) { state_ = value * 2 + 1; }
  bool chance(uint32_t of_65536) {
    if (!of_65536) return false;
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return ((state_ * 0x2545F4914F6CDD1DULL) >> 48) < of_65536;
  }

 private:
  uint64_t state_ = 1;
};

// Towards the core. A word is presented once its last octet has come in, the last one when the FCS has.
template <class Pins>
class RxWire {
 public:
  Pins pins;
  Rate rate;
  std::deque<Frame> queue;
  uint64_t due = NEVER;  // clock in which the next word is presented

  void push(Frame frame) {
    queue.push_back(std::move(frame));
    if (queue.size() == 1) begin();
  }

  // Drives the pins for clock `now`, in which a word is due.
  void present(uint64_t now, PortStats &stats) {
    const Frame &frame = queue.front();
    size_t left = frame.octets.size() - offset_;
    bool last = left <= Pins::WORD;
    size_t count = last ? left : Pins::WORD;
    std::memcpy(pins.rx_data, frame.octets.data() + offset_, count);
    *pins.rx_valid = 1;
    *pins.rx_count = count;
    *pins.rx_last = last;
    *pins.rx_error = last && frame.error;
    offset_ += count;
    next_ = now + 1;
    if (!last) return schedule();
    stats.rx_frames++;
    stats.rx_octets += frame.octets.size();
    free_ = rate.after(start_, frame.octets.size() + FCS + GAP_AND_PREAMBLE);
    queue.pop_front();
    due = NEVER;
    if (!queue.empty()) begin();
  }

  // The wire pauses for a clock in which a word is due.
  void pause() {
    start_.clock++;
    due++;
  }

 private:
  size_t offset_ = 0;
  Instant start_, free_;
  uint64_t next_ = 0;  // first clock after the last word presented

  void begin() {
    offset_ = 0;
    start_ = {queue.front().not_before, 0};
    if (start_ < free_) start_ = free_;
    schedule();
  }

  void schedule() {
    size_t size = queue.front().octets.size();
    bool last = size - offset_ <= Pins::WORD;
    due = rate.after(start_, last ? size + FCS : offset_ + Pins::WORD).edge();
    if (due < next_) due = next_;
  }
};

// From the core. The first octet of a frame leaves in the clock in which its first word is taken.
template <class Pins>
class TxWire {
 public:
  Pins pins;
  Rate rate;
  std::deque<Frame> done;
  uint64_t free_edge = 0;  // first clock in which the wire can take a word

  // A word was taken in clock `now`. Returns whether it ended a frame.
  bool take(uint64_t now, PortStats &stats) {
    if (frame_.octets.empty()) {
      frame_.start = now > free_edge ? Instant{now, 0} : free_;
      underrun_ = false;
    } else if (now > free_edge) {
      underrun_ = true;
      free_ = {now, 0};
    }
    size_t count = *pins.tx_count;
    const uint8_t *data = reinterpret_cast<const uint8_t *>(pins.tx_data);
    frame_.octets.insert(frame_.octets.end(), data, data + count);
    free_ = rate.after(frame_.octets.size() == count ? frame_.start : free_, count);
    bool last = *pins.tx_last;
    if (last) {
      size_t pad = frame_.octets.size() < MIN_FRAME ? MIN_FRAME - frame_.octets.size() : 0;
      frame_.octets.resize(frame_.octets.size() + pad);
      frame_.error = *pins.tx_error;
      frame_.end = rate.after(free_, pad + FCS);
      free_ = rate.after(frame_.end, GAP_AND_PREAMBLE);
      stats.tx_frames++;
      stats.tx_octets += frame_.octets.size();
      stats.underruns += underrun_;
      done.push_back(std::move(frame_));
      frame_ = Frame();
    }
    free_edge = free_.edge();
    return last;
  }

 private:
  Frame frame_;
  Instant free_;
  bool underrun_ = false;
};

}  // namespace opentep
