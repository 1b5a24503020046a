/* What the steering program and the relay say to each other. Read by C (the program) and by C++. */
#pragma once

#include <linux/types.h>

enum {
  STEER_ADDRESSES_MAX = 256,
  STEER_RANGES_MAX = 4, /* of ports, an address */
  STEER_QUEUES_MAX = 256,
};

/* An IPv4 address as ::ffff:a.b.c.d, in network byte order. */
struct steer_address {
  __u32 address[4];
  __u16 vlan;
  __u16 zero;
};

/* Both ends are in it. One that is not in use holds nothing: first above last. */
struct steer_range {
  __u16 first;
  __u16 last;
};

/* What is the relay's of an address. */
struct steer_own {
  __u8 mac[6]; /* aligned to 2; frames to another are another host's */
  __u16 zero;
  struct steer_range ranges[STEER_RANGES_MAX];
};

/* The verdicts of relay/wire/frame.h that a program without checksums can give, in their order,
   and two more. */
enum {
  STEER_UDP,
  STEER_TRUNCATED,
  STEER_TWO_TAGS,
  STEER_NOT_IP,
  STEER_BAD_VERSION,
  STEER_BAD_HEADER_LENGTH,
  STEER_BAD_TOTAL_LENGTH,
  STEER_BAD_IP_CHECKSUM, /* never: left to the relay */
  STEER_FRAGMENT,
  STEER_EXTENSION_HEADER,
  STEER_MAPPED_ADDRESS,
  STEER_NOT_UDP,
  STEER_BAD_UDP_LENGTH,
  STEER_ELSEWHERE, /* good UDP, but not to us */
  STEER_UNHEARD,   /* dropped: ours, but no socket hears its queue, or the guard had it */
  STEER_VERDICTS,
};
