/* C interface of the virtual board: a Verilated TEP with wires attached.
 *
 * Read by the C++ side and, between the marker lines, by cffi: plain declarations only.
 * One thread at a time per board. Times are nanoseconds of simulated time.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
/* cffi: begin */
typedef struct board board;

/* Why board_run() returned. */
enum {
  BOARD_TIME = 0,  /* simulated time reached `until` */
  BOARD_IDLE = 1,  /* nothing is inside and no input is due any more */
  BOARD_LINK = 2,  /* octets of the host link wait to be read */
  BOARD_FRAME = 3, /* a frame has left a port */
  BOARD_CLOCKS = 4 /* `max_clocks` clocks have run */
};

/* Reasons for board_run() to return before `until`, ORed. */
enum { BOARD_STOP_IDLE = 1, BOARD_STOP_LINK = 2, BOARD_STOP_FRAME = 4 };

typedef struct {
  uint64_t start_ns; /* first octet of the destination address */
  uint64_t end_ns;   /* behind the last octet of the FCS */
  uint32_t length;   /* octets without FCS, at least 60 */
  uint8_t error;     /* the core marked the frame bad */
} board_frame_info;

typedef struct {
  uint64_t rx_frames, rx_octets; /* into the core, as on the wire without FCS */
  uint64_t tx_frames, tx_octets;
  uint64_t underruns; /* frames during which the wire had to wait for the core */
} board_port_stats;

board *board_new(uint64_t clock_hz);
void board_free(board *b);
/* Speed of the wires towards and from the core. Returns 0, or -1 if one is faster than the datapath.
 * To be called before the first frame. */
int board_set_rate(board *b, int port, uint64_t rx_bits_per_second, uint64_t tx_bits_per_second);
/* Probabilities in 1/65536 per clock that a wire does not take, or does not give, a word that is due. */
void board_set_stalls(board *b, uint64_t seed, uint32_t tx_stall, uint32_t rx_gap);
/* 0: octets move at one per clock. */
void board_set_baud(board *b, uint64_t baud);

/* Frames start no earlier than start_ns and no faster than the wire allows; `pad` to 60 octets as a MAC does. */
void board_send(board *b, int port, const uint8_t *octets, size_t length, uint64_t start_ns, int pad, int error);
size_t board_pending(const board *b, int port);
/* Length of the oldest frame that left the port, 0 if there is none. */
size_t board_next_length(const board *b, int port);
/* Fills `octets`, which has room for board_next_length(), and removes the frame. */
void board_receive(board *b, int port, uint8_t *octets, board_frame_info *info);

void board_link_write(board *b, const uint8_t *octets, size_t length);
size_t board_link_available(const board *b);
size_t board_link_read(board *b, uint8_t *octets, size_t room);

int board_run(board *b, uint64_t until_ns, uint64_t max_clocks, unsigned stop);
int board_idle(const board *b);
uint64_t board_time_ns(const board *b);
/* Clocks that were really simulated. */
uint64_t board_clocks(const board *b);
void board_stats(const board *b, int port, board_port_stats *stats);
/* Returns 0, or -1 if this library was built without tracing. */
int board_trace(board *b, const char *path);

/* Live operation. */
typedef struct {
  int fd;              /* non-blocking; -1: nothing attached */
  int packet;          /* AF_PACKET socket with PACKET_VNET_HDR and PACKET_AUXDATA; else a TAP without headers */
  const char *capture; /* pcap file to write, or NULL */
} board_attachment;

typedef struct {
  uint64_t received, sent;
  uint64_t offloaded; /* not accepted: the sender left segmentation to the wire */
  uint64_t not_sent;  /* the interface was down, full, or its MTU too small; or the core marked the frame bad */
} board_attachment_stats;

/* Runs until stop_fd becomes readable. `second` then follows real time. Frames enter one at a time at port 0's
 * rate, whatever the port. link_fd is the master of a pty, or -1. Returns 0 or an errno value; *failed_port then names the port, -1 for
 * the host link. */
int board_live(board *b, const board_attachment *attachments, board_attachment_stats *stats, int link_fd,
               int stop_fd, int *failed_port);
/* cffi: end */
#ifdef __cplusplus
}
#endif
