// The variants of the byte maps. Plain functions and no inline code: each variant's file is
// compiled with its own instruction set, and an inline function shared between them could be kept
// in a form that older processors cannot run.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kernels {

void AlawToUlawScalar(uint8_t* out, const uint8_t* in, size_t length);
void UlawToAlawScalar(uint8_t* out, const uint8_t* in, size_t length);
void AlawToUlawAvx2(uint8_t* out, const uint8_t* in, size_t length);
void UlawToAlawAvx2(uint8_t* out, const uint8_t* in, size_t length);
void AlawToUlawAvx512Vbmi(uint8_t* out, const uint8_t* in, size_t length);
void UlawToAlawAvx512Vbmi(uint8_t* out, const uint8_t* in, size_t length);

}  // namespace kernels
