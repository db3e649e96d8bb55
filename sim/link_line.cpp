// The host's end of the line of a Verilated host link: octets with random stalls, or a UART at pin level.

#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "Vlink_board.h"

namespace {

constexpr int kBits = 10;  // start, 8 data, stop

class Line {
  public:
    Vlink_board top;
    uint64_t clocks = 0;
    double stall = 0.0;
    double bit_clocks = 0.0;
    std::deque<uint8_t> incoming;
    std::vector<uint8_t> outgoing;
    std::vector<uint32_t> writes;
    bool stable = true;

    explicit Line(unsigned seed) : random_(seed) {
        top.rst = 1;
        top.rx_pin = 1;
        tick();
        top.rst = 0;
    }

    void run(uint64_t count) {
        for (uint64_t i = 0; i < count; ++i) {
            if (top.pins) {
                transmit();
                receive();
            } else {
                drive();
            }
            top.eval();
            if (!top.pins) watch();
            if (top.write_done) writes.push_back(top.write_address);
            tick();
        }
    }

  private:
    std::mt19937 random_;
    bool taken_ = false;
    bool held_ = false;
    uint8_t held_octet_ = 0;
    double send_start_ = -1.0;
    int sending_ = 0;
    double receive_start_ = -1.0;
    int sampled_ = 0;
    unsigned shift_ = 0;

    bool chance(double p) { return std::uniform_real_distribution<>(0.0, 1.0)(random_) < p; }

    void tick() {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
        ++clocks;
    }

    void drive() {
        if (taken_) {
            incoming.pop_front();
            top.rx_valid = 0;
            taken_ = false;
        }
        if (!top.rx_valid && !incoming.empty() && !chance(stall)) {
            top.rx_valid = 1;
            top.rx_octet = incoming.front();
        }
        top.tx_ready = !chance(stall);
    }

    void watch() {
        if (held_ && !(top.tx_valid && top.tx_octet == held_octet_)) stable = false;
        held_ = top.tx_valid && !top.tx_ready;
        held_octet_ = top.tx_octet;
        if (top.tx_valid && top.tx_ready) outgoing.push_back(top.tx_octet);
        // The next octet is put up after the clock edge, by drive().
        taken_ = top.rx_valid && top.rx_ready;
    }

    void transmit() {
        if (send_start_ < 0 && !incoming.empty()) {
            send_start_ = static_cast<double>(clocks);
            sending_ = incoming.front();
            incoming.pop_front();
        }
        top.rx_pin = 1;
        if (send_start_ < 0) return;
        int bit = static_cast<int>((static_cast<double>(clocks) - send_start_) / bit_clocks);
        if (bit == 0) top.rx_pin = 0;
        else if (bit < kBits - 1) top.rx_pin = sending_ >> (bit - 1) & 1;
        if (static_cast<double>(clocks) + 1 >= send_start_ + kBits * bit_clocks) {
            // The fraction of a clock is carried on, so that the rate is exact.
            if (incoming.empty()) {
                send_start_ = -1.0;
            } else {
                send_start_ += kBits * bit_clocks;
                sending_ = incoming.front();
                incoming.pop_front();
            }
        }
    }

    void receive() {
        if (receive_start_ < 0) {
            if (top.tx_pin) return;
            receive_start_ = static_cast<double>(clocks);
            sampled_ = 0;
            shift_ = 0;
        }
        if (static_cast<double>(clocks) < receive_start_ + (sampled_ + 0.5) * bit_clocks) return;
        shift_ |= static_cast<unsigned>(top.tx_pin) << sampled_;
        if (++sampled_ == kBits) {
            if (!(shift_ & 1) && shift_ >> (kBits - 1)) outgoing.push_back(shift_ >> 1 & 0xff);
            receive_start_ = -1.0;
        }
    }
};

}  // namespace

extern "C" {
Line *line_new(unsigned seed) { return new Line(seed); }
void line_free(Line *line) { delete line; }
void line_stall(Line *line, double probability) { line->stall = probability; }
void line_pins(Line *line, double bit_clocks) {
    line->top.pins = bit_clocks > 0;
    line->bit_clocks = bit_clocks;
}
void line_send(Line *line, const uint8_t *octets, uint64_t count) {
    line->incoming.insert(line->incoming.end(), octets, octets + count);
}
void line_run(Line *line, uint64_t clocks) { line->run(clocks); }
uint64_t line_clocks(Line *line) { return line->clocks; }
uint64_t line_receive(Line *line, uint8_t *octets, uint64_t limit) {
    uint64_t count = line->outgoing.size() < limit ? line->outgoing.size() : limit;
    for (uint64_t i = 0; i < count; ++i) octets[i] = line->outgoing[i];
    line->outgoing.erase(line->outgoing.begin(), line->outgoing.begin() + static_cast<long>(count));
    return count;
}
uint64_t line_writes(Line *line, uint32_t *addresses, uint64_t limit) {
    for (uint64_t i = 0; i < line->writes.size() && i < limit; ++i) addresses[i] = line->writes[i];
    return line->writes.size();
}
uint32_t line_errors(Line *line) { return line->top.errors; }
int line_busy(Line *line) { return line->top.busy; }
int line_stable(Line *line) { return line->stable; }
}
