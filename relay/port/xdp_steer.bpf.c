// Decides one thing: ours or the kernel's.
//
//   xdp:     UDP to an owned link address, address and port -> the socket of the arriving queue;
//            the rest passes
//   guard:   a tc filter behind it that outlives the relay: while no relay is there, its range is
//            dropped without an ICMP error, which would end calls that a restarted relay takes up;
//            and of fragments to the range the first, always
//
// It reads a frame as wire/frame.cc does, in the same order, and counts what it passes by the same
// verdicts, so that a frame means the same on every raw port. Checksums are left to the relay.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "relay/port/xdp_steer.h"

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, STEER_QUEUES_MAX);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, STEER_ADDRESSES_MAX);
  __type(key, struct steer_address);
  __type(value, struct steer_own);
} addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, STEER_VERDICTS);
  __type(key, __u32);
  __type(value, __u64);
} verdicts SEC(".maps");

struct vlan_tag {
  __be16 id;
  __be16 type;
};

// RFC 8200 section 4.5.
struct fragment_header {
  __u8 next;
  __u8 reserved;
  __be16 offset; /* in 8 bytes, above three bits of flags */
  __be32 identification;
};

// What there is of a frame.
struct frame {
  void *data;
  void *end;
};

struct found {
  struct steer_address to;
  __u16 port;
};

static __always_inline int read_ipv4(struct frame *frame, struct found *found, __u32 *left) {
  struct iphdr *ip = frame->data;
  if ((void *)(ip + 1) > frame->end) return STEER_TRUNCATED;
  if (ip->version != 4) return STEER_BAD_VERSION;
  __u32 header = ip->ihl * 4;
  if (header < sizeof(*ip)) return STEER_BAD_HEADER_LENGTH;
  __u32 total = bpf_ntohs(ip->tot_len);
  if (total < header) return STEER_BAD_TOTAL_LENGTH;
  if (frame->data + total > frame->end) return STEER_TRUNCATED;
  if (ip->frag_off & bpf_htons(0x3fff)) return STEER_FRAGMENT;
  if (ip->protocol != IPPROTO_UDP) return STEER_NOT_UDP;
  found->to.address[2] = bpf_htonl(0xffff);
  found->to.address[3] = ip->daddr;
  *left = total - header;
  frame->data += header;
  return STEER_UDP;
}

static __always_inline int read_ipv6(struct frame *frame, struct found *found, __u32 *left) {
  struct ipv6hdr *ip = frame->data;
  if ((void *)(ip + 1) > frame->end) return STEER_TRUNCATED;
  if (ip->version != 6) return STEER_BAD_VERSION;
  *left = bpf_ntohs(ip->payload_len);
  if ((void *)(ip + 1) + *left > frame->end) return STEER_TRUNCATED;
  switch (ip->nexthdr) {
    case IPPROTO_UDP:
      break;
    case IPPROTO_FRAGMENT:
      return STEER_FRAGMENT;
    case 0:
    case 43:
    case 60:
    case 135:
      return STEER_EXTENSION_HEADER;
    default:
      return STEER_NOT_UDP;
  }
  const __u32 *from = ip->saddr.in6_u.u6_addr32;
  const __u32 *to = ip->daddr.in6_u.u6_addr32;
  // Inside the relay such an address means IPv4 (RFC 4291 section 2.5.5.2).
  if (!from[0] && !from[1] && from[2] == bpf_htonl(0xffff)) return STEER_MAPPED_ADDRESS;
  if (!to[0] && !to[1] && to[2] == bpf_htonl(0xffff)) return STEER_MAPPED_ADDRESS;
  for (int i = 0; i < 4; ++i) found->to.address[i] = to[i];
  frame->data = ip + 1;
  return STEER_UDP;
}

// From the IP header on.
static __always_inline int read_ip(struct frame frame, __be16 type, struct found *found) {
  __u32 left = 0;
  int verdict = STEER_NOT_IP;
  if (type == bpf_htons(ETH_P_IP)) verdict = read_ipv4(&frame, found, &left);
  if (type == bpf_htons(ETH_P_IPV6)) verdict = read_ipv6(&frame, found, &left);
  if (verdict != STEER_UDP) return verdict;
  struct udphdr *udp = frame.data;
  if (left < sizeof(*udp)) return STEER_BAD_TOTAL_LENGTH;
  if ((void *)(udp + 1) > frame.end) return STEER_TRUNCATED;
  __u32 length = bpf_ntohs(udp->len);
  if (length < sizeof(*udp) || length > left) return STEER_BAD_UDP_LENGTH;
  found->port = bpf_ntohs(udp->dest);
  return STEER_UDP;
}

// What is ours of the address, when the port is.
static __always_inline const struct steer_own *find_own(const struct found *found) {
  const struct steer_own *own = bpf_map_lookup_elem(&addresses, &found->to);
  if (!own) return 0;
#pragma unroll
  for (int i = 0; i < STEER_RANGES_MAX; ++i) {
    if (own->ranges[i].first <= found->port && found->port <= own->ranges[i].last) return own;
  }
  return 0;
}

static __always_inline int is_same_mac(const __u8 *one, const __u8 *other) {
  const __u16 *a = (const __u16 *)one;
  const __u16 *b = (const __u16 *)other;
  return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static __always_inline void count(__u32 verdict) {
  __u64 *sum = bpf_map_lookup_elem(&verdicts, &verdict);
  if (sum) ++*sum;
}

static __always_inline int pass(__u32 verdict) {
  count(verdict);
  return XDP_PASS;
}

SEC("xdp")
int tandem_steer(struct xdp_md *context) {
  struct frame frame = {(void *)(long)context->data, (void *)(long)context->data_end};
  struct ethhdr *ethernet = frame.data;
  struct found found = {};
  if ((void *)(ethernet + 1) > frame.end) return pass(STEER_TRUNCATED);
  __be16 type = ethernet->h_proto;
  frame.data = ethernet + 1;
  if (type == bpf_htons(ETH_P_8021Q)) {
    struct vlan_tag *tag = frame.data;
    if ((void *)(tag + 1) > frame.end) return pass(STEER_TRUNCATED);
    found.to.vlan = bpf_ntohs(tag->id) & 0x0fff;
    type = tag->type;
    frame.data = tag + 1;
  }
  if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)) {
    return pass(STEER_TWO_TAGS);
  }
  int verdict = read_ip(frame, type, &found);
  if (verdict != STEER_UDP) return pass(verdict);
  const struct steer_own *own = find_own(&found);
  if (!own || !is_same_mac(own->mac, ethernet->h_dest)) return pass(STEER_ELSEWHERE);
  // A queue without a socket: the relay is starting or ending, or the device has been given more of
  // them. Dropped, as by the guard.
  int action = bpf_redirect_map(&sockets, context->rx_queue_index, XDP_DROP);
  if (action == XDP_DROP) count(STEER_UNHEARD);
  return action;
}

// Whether the steering program would have taken the frame, which it has not seen, then. What it
// refused for its form, or passed to another link address, it has counted by that name. The frame is
// about to be dropped: there is time to put it into one piece.
static __always_inline int was_unseen(struct __sk_buff *skb, const struct steer_own *own) {
  // A service tag, which has been taken off like the other kind.
  if (skb->vlan_present && skb->vlan_proto != bpf_htons(ETH_P_8021Q)) return 0;
  if (bpf_skb_pull_data(skb, skb->len) != 0) return 0;
  struct frame frame = {(void *)(long)skb->data, (void *)(long)skb->data_end};
  struct ethhdr *ethernet = frame.data;
  struct found found = {};
  if ((void *)(ethernet + 1) > frame.end) return 0;
  if (!is_same_mac(own->mac, ethernet->h_dest)) return 0;
  frame.data = ethernet + 1;
  return read_ip(frame, skb->protocol, &found) == STEER_UDP;
}

// The same question of what the kernel has been given. The tag lies beside the frame by now, and a
// large TCP segment is in many pieces: so it looks at what it needs and no more. Whose the link
// address is the kernel says (pkt_type), as it may be changed while no relay looks; that of a VLAN's
// own device is known to the map alone. Of a datagram in fragments the first one says whose it is;
// without it the kernel puts nothing together and refuses nothing.
SEC("tc")
int guard(struct __sk_buff *skb) {
  struct found found = {};
  struct udphdr udp;
  __u32 offset = sizeof(struct ethhdr);
  if (skb->vlan_present) found.to.vlan = skb->vlan_tci & 0x0fff;
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr ip;
    if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) != 0) return TC_ACT_OK;
    if (ip.protocol != IPPROTO_UDP || (ip.frag_off & bpf_htons(0x1fff))) return TC_ACT_OK;
    found.to.address[2] = bpf_htonl(0xffff);
    found.to.address[3] = ip.daddr;
    offset += ip.ihl * 4;
  } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr ip;
    if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) != 0) return TC_ACT_OK;
    offset += sizeof(ip);
    if (ip.nexthdr == IPPROTO_FRAGMENT) {
      struct fragment_header fragment;
      if (bpf_skb_load_bytes(skb, offset, &fragment, sizeof(fragment)) != 0) return TC_ACT_OK;
      if (fragment.offset & bpf_htons(0xfff8)) return TC_ACT_OK;
      ip.nexthdr = fragment.next;
      offset += sizeof(fragment);
    }
    if (ip.nexthdr != IPPROTO_UDP) return TC_ACT_OK;
    for (int i = 0; i < 4; ++i) found.to.address[i] = ip.daddr.in6_u.u6_addr32[i];
  } else {
    return TC_ACT_OK;
  }
  if (bpf_skb_load_bytes(skb, offset, &udp, sizeof(udp)) != 0) return TC_ACT_OK;
  found.port = bpf_ntohs(udp.dest);
  const struct steer_own *own = find_own(&found);
  if (!own) return TC_ACT_OK;
  if (skb->pkt_type != PACKET_HOST) {
    __u8 to[ETH_ALEN];
    if (bpf_skb_load_bytes(skb, 0, to, sizeof(to)) != 0) return TC_ACT_OK;
    if (!is_same_mac(own->mac, to)) return TC_ACT_OK;
  }
  // Past the steering program: it is off the device, or a queue has been added that runs without it.
  if (was_unseen(skb, own)) count(STEER_UNHEARD);
  return TC_ACT_SHOT;
}

char steer_license[] SEC("license") = "Dual BSD/GPL";
