// What this processor can do, asked once. Kernels choose their variant by it; an operator may force
// one by name to compare or to rule a variant out.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kernels {

// In order of width; a processor that has one has those before it.
enum class Isa : uint8_t { kScalar, kSse4, kAvx2, kAvx512Vbmi };
inline constexpr Isa kAllIsas[] = {Isa::kScalar, Isa::kSse4, Isa::kAvx2, Isa::kAvx512Vbmi};

const char* IsaName(Isa isa);                     // "scalar", "sse4", "avx2", "avx512vbmi"
std::optional<Isa> IsaOf(std::string_view name);  // nothing for other names
bool IsSupported(Isa isa);                        // by this processor and its operating system
Isa BestIsa();

}  // namespace kernels
