// Frames between the virtual board and Linux: TAP devices, packet sockets, capture files.
#pragma once
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace opentep {

inline uint64_t clock_ns(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1'000'000'000ULL + t.tv_nsec;
}

// pcap with nanosecond time stamps, in host byte order.
class Capture {
 public:
  Capture() = default;
  Capture(const Capture &) = delete;
  ~Capture() {
    if (file_) fclose(file_);
  }

  bool open(const char *path) {
    file_ = fopen(path, "wb");
    if (!file_) return false;
    const struct {
      uint32_t magic = 0xA1B23C4D;
      uint16_t major = 2, minor = 4;
      uint32_t zone = 0, accuracy = 0, longest = 65535, link_type = 1;
    } header;
    fwrite(&header, sizeof header, 1, file_);
    return fflush(file_) == 0;
  }

  void write(const uint8_t *octets, size_t length) {
    if (!file_) return;
    uint64_t ns = clock_ns(CLOCK_REALTIME);
    uint32_t header[] = {(uint32_t)(ns / 1'000'000'000), (uint32_t)(ns % 1'000'000'000), (uint32_t)length,
                         (uint32_t)length};
    fwrite(header, sizeof header, 1, file_);
    fwrite(octets, length, 1, file_);
  }

  void flush() {
    if (file_) fflush(file_);
  }

 private:
  FILE *file_ = nullptr;
};

// struct virtio_net_hdr without its later extensions (linux/virtio_net.h is no C++).
struct OffloadHeader {
  static constexpr uint8_t NEEDS_CHECKSUM = 1;
  uint8_t flags, segmentation;
  uint16_t header_length, segment_length, checksum_start, checksum_offset;
};

// Computes the transport checksum that the kernel left open for the wire to fill in (virtio, 5.1.6.4.1).
inline void complete_checksum(uint8_t *octets, size_t length, size_t start, size_t offset) {
  if (start + offset + 2 > length) return;
  uint64_t sum = 0;  // the field holds the sum of the pseudo header already
  for (size_t i = start; i < length; i++) sum += (i - start) & 1 ? octets[i] : octets[i] << 8;
  while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
  uint16_t checksum = ~sum;
  if (!checksum) checksum = 0xFFFF;  // 0 means "none" to UDP (RFC 768)
  octets[start + offset] = checksum >> 8;
  octets[start + offset + 1] = checksum & 0xFF;
}

// A packet socket with PACKET_VNET_HDR and PACKET_AUXDATA.
//
// The kernel hands over frames as they are inside it: the 802.1Q tag beside the frame, and checksums of local
// senders not yet computed. Both are put right here, so that the board sees what a wire would carry.
class PacketSocket {
 public:
  static constexpr size_t BATCH = 32;
  static constexpr size_t ROOM = 16384 + 64;

  // Calls give(octets, length) for the frames that wait, at most BATCH. Returns 0 or an errno value.
  template <class Give>
  int receive(int fd, uint64_t &offloaded, Give give) {
    if (slots_.empty()) prepare();
    for (size_t i = 0; i < BATCH; i++) messages_[i].msg_hdr.msg_controllen = sizeof(Slot::control);
    int count = recvmmsg(fd, messages_.data(), BATCH, MSG_DONTWAIT, nullptr);
    if (count < 0) return errno;
    for (int i = 0; i < count; i++) {
      Slot &slot = slots_[i];
      size_t length = messages_[i].msg_len;
      if (length < sizeof slot.header + ETH_HLEN) continue;
      length -= sizeof slot.header;
      if (slot.header.segmentation || messages_[i].msg_hdr.msg_flags & MSG_TRUNC) {
        offloaded++;
        continue;
      }
      uint8_t *frame = slot.octets;
      if (slot.header.flags & OffloadHeader::NEEDS_CHECKSUM)
        complete_checksum(frame, length, slot.header.checksum_start, slot.header.checksum_offset);
      restore_tag(messages_[i].msg_hdr, frame, length);
      give(frame, length);
    }
    return 0;
  }

  // Sends frames[0] to frames[count - 1], at most BATCH; returns how many the kernel took.
  size_t send(int fd, const std::vector<uint8_t> *const *frames, size_t count) {
    static OffloadHeader none = {};
    mmsghdr messages[BATCH] = {};
    iovec vectors[BATCH][2];
    for (size_t i = 0; i < count; i++) {
      vectors[i][0] = {&none, sizeof none};
      vectors[i][1] = {const_cast<uint8_t *>(frames[i]->data()), frames[i]->size()};
      messages[i].msg_hdr.msg_iov = vectors[i];
      messages[i].msg_hdr.msg_iovlen = 2;
    }
    size_t taken = 0;
    for (size_t next = 0; next < count;) {
      int sent = sendmmsg(fd, messages + next, count - next, MSG_DONTWAIT);
      if (sent > 0) taken += sent;
      next += sent > 0 ? sent : 1;  // the first one failed: it is lost, as on a wire
    }
    return taken;
  }

 private:
  struct Slot {
    OffloadHeader header;
    uint8_t tag_room[4];
    uint8_t octets[ROOM];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))];
    iovec vectors[2];
  };
  std::vector<Slot> slots_;
  std::vector<mmsghdr> messages_;

  void prepare() {
    slots_.resize(BATCH);
    messages_.resize(BATCH);
    for (size_t i = 0; i < BATCH; i++) {
      Slot &slot = slots_[i];
      slot.vectors[0] = {&slot.header, sizeof slot.header};
      slot.vectors[1] = {slot.octets, ROOM};
      messages_[i] = {};
      messages_[i].msg_hdr.msg_iov = slot.vectors;
      messages_[i].msg_hdr.msg_iovlen = 2;
      messages_[i].msg_hdr.msg_control = slot.control;
    }
  }

  // Both addresses move into `tag_room` to make way for the tag.
  static void restore_tag(msghdr &message, uint8_t *&frame, size_t &length) {
    for (cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA) continue;
      tpacket_auxdata aux;
      std::memcpy(&aux, CMSG_DATA(part), sizeof aux);
      if (!(aux.tp_status & TP_STATUS_VLAN_VALID)) return;
      uint16_t tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q;
      std::memmove(frame - 4, frame, 2 * ETH_ALEN);
      frame -= 4;
      length += 4;
      uint8_t *tag = frame + 2 * ETH_ALEN;
      tag[0] = tpid >> 8;
      tag[1] = tpid;
      tag[2] = aux.tp_vlan_tci >> 8;
      tag[3] = aux.tp_vlan_tci;
    }
  }
};

}  // namespace opentep
