// Another program on the relay's device, under libxdp's dispatcher: counts frames and passes them.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} frames SEC(".maps");

SEC("xdp")
int bystander(struct xdp_md* context) {
  __u32 first = 0;
  __u64* count = bpf_map_lookup_elem(&frames, &first);
  (void)context;
  if (count) __sync_fetch_and_add(count, 1);
  return XDP_PASS;
}

char bystander_license[] SEC("license") = "Dual BSD/GPL";
