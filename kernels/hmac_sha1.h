// HMAC-SHA1 of 16 buffers side by side, a lane of AVX-512 each: all blocks of both hashes in one
// go.
//
// intel-ipsec-mb has lanes as well, but takes each buffer in and out of them four times, with its
// own book-keeping (docs/tuning.md). All lanes work as long as the longest: give it buffers of
// like lengths.
#pragma once

#include <cstddef>

#include "kernels/batch_crypto.h"

namespace kernels {

inline constexpr size_t kHmacSha1Lanes = 16;

// At least one job, at most kHmacSha1Lanes; the processor has AVX-512 F, BW and VL.
void HmacSha1Avx512(const CmJob* const* jobs, size_t count);

}  // namespace kernels
