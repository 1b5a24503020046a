#include "relay/port/steering.h"

#include <bit>
#include <cstdint>

namespace relay::port {
namespace {

constexpr uint32_t kPorts = 65536;
// Bits of the Toeplitz input before the destination port of UDP over IPv4.
constexpr size_t kBitsBeforePort = 32 + 32 + 16;

uint8_t WorkerOfPort(const abi::Placement& placement, uint32_t port) {
  return abi::WorkerOf(placement, {.address = 0, .port = static_cast<uint16_t>(port)});
}

// A hash indexes the table by its lowest bits.
bool TableFits(size_t entries) {
  return std::has_single_bit(entries) && entries >= 2 && entries <= kPorts / 2;
}

// Splits a block by its lowest free bits until each part has one worker. The worker depends on port
// bits 1 to 7, so the block's own high bits need no look.
void SplitByWorker(uint32_t value, uint32_t mask, const abi::Placement& placement,
                   std::vector<PortRule>* rules) {
  const uint8_t worker = WorkerOfPort(placement, value);
  bool same = true;
  for (uint32_t low = 0; low < 2 * abi::kPlacementEntries; low += 2) {
    if ((low & mask) != 0) continue;  // that bit is fixed
    same = same && WorkerOfPort(placement, value | low) == worker;
  }
  if (same) {
    rules->push_back({.value = static_cast<uint16_t>(value),
                      .mask = static_cast<uint16_t>(mask),
                      .worker = worker});
    return;
  }
  uint32_t bit = 2;
  while ((mask & bit) != 0) bit <<= 1;
  SplitByWorker(value, mask | bit, placement, rules);
  SplitByWorker(value | bit, mask | bit, placement, rules);
}

}  // namespace

std::vector<PortRule> PortRules(uint16_t first, uint16_t last, const abi::Placement& placement) {
  std::vector<PortRule> rules;
  // The largest aligned block that begins here and does not reach beyond the end, again and again.
  for (uint32_t at = first; at <= last;) {
    uint32_t size = at == 0 ? kPorts : at & (~at + 1);
    while (at + size - 1 > last) size /= 2;
    SplitByWorker(at, (kPorts - 1) & ~(size - 1), placement, &rules);
    at += size;
  }
  return rules;
}

std::vector<uint8_t> SinglePortKey(size_t entries, size_t key_bytes) {
  if (!TableFits(entries)) return {};
  const size_t index_bits = static_cast<size_t>(std::countr_zero(entries));
  // Key bit k copies input bit p to hash bit 31 - (k - p). Index bit 0 shall be port bit
  // `index_bits`, which is input bit kBitsBeforePort + 15 - index_bits; the others follow.
  const size_t bit = kBitsBeforePort + 15 - index_bits + 31;
  if (bit / 8 >= key_bytes) return {};
  std::vector<uint8_t> key(key_bytes, 0);
  key[bit / 8] = static_cast<uint8_t>(0x80 >> bit % 8);
  return key;
}

std::vector<uint8_t> IndirectionTable(size_t entries, const abi::Placement& placement) {
  if (!TableFits(entries)) return {};
  const size_t index_bits = static_cast<size_t>(std::countr_zero(entries));
  std::vector<uint8_t> table(entries);
  std::vector<bool> filled(entries);
  for (uint32_t pair = 0; pair < kPorts / 2; ++pair) {
    size_t index = 0;  // bit j of it is bit index_bits - 1 - j of the pair
    for (size_t j = 0; j < index_bits; ++j) index |= (pair >> (index_bits - 1 - j) & 1) << j;
    const uint8_t worker = WorkerOfPort(placement, 2 * pair);
    if (filled[index] && table[index] != worker) return {};
    table[index] = worker;
    filled[index] = true;
  }
  return table;
}

}  // namespace relay::port
