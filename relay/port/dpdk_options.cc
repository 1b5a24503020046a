// What is typed about DPDK, read without DPDK.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/port/dpdk.h"

namespace relay::port {
namespace {

std::optional<wire::MacAddress> ParseMac(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  wire::MacAddress mac;
  if (parts.size() != mac.size()) return std::nullopt;
  for (size_t i = 0; i < mac.size(); ++i) {
    uint32_t byte = 0;
    if (parts[i].size() != 2 || !absl::SimpleHexAtoi(parts[i], &byte)) return std::nullopt;
    mac[i] = static_cast<uint8_t>(byte);
  }
  return mac;
}

}  // namespace

absl::StatusOr<DpdkDeviceOptions> ParseDpdkDevice(std::string_view text) {
  const size_t at = text.rfind('@');
  DpdkDeviceOptions options{.device = std::string(text.substr(0, at))};
  const std::string behind(at == std::string_view::npos ? "" : text.substr(at + 1));
  if (options.device.empty()) {
    return absl::InvalidArgumentError(
        "dpdk needs a device as EAL calls it: a PCI address, or net_memif0,... of a virtual one");
  }
  options.next_hop = ParseMac(behind);
  if (options.next_hop) return options;
  if (behind.size() > 15 || (at != std::string_view::npos && behind.empty()) ||
      behind.find_first_of(":/ ") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("dpdk:", options.device,
                     "@ needs the kernel's network device (1 to 15 characters) or the link address "
                     "of the only next hop, like 02:00:00:00:00:02"));
  }
  options.interface = behind;
  return options;
}

}  // namespace relay::port
