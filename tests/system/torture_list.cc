// The torture messages for tests in other languages: a line for each with its name, what must come
// of it, the status, and its bytes in hexadecimal.
#include <cstdio>

#include "tests/support/torture_messages.h"

int main() {
  constexpr const char* kOutcomes[] = {"served", "answered", "dropped", "response"};
  for (const support::TortureMessage& each : support::TortureMessages()) {
    std::printf("%s %s %d ", each.name, kOutcomes[static_cast<int>(each.outcome)], each.status);
    for (const char c : support::WireOf(each)) std::printf("%02x", static_cast<unsigned char>(c));
    std::printf("\n");
  }
}
