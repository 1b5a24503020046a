// The variants. Plain functions and no inline code: each variant's file is compiled with its own
// instruction set, and an inline function shared between them could be kept in a form that older
// processors cannot run.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kernels {

void AlawToUlawScalar(uint8_t* out, const uint8_t* in, size_t length);
void UlawToAlawScalar(uint8_t* out, const uint8_t* in, size_t length);
void AlawToLinearScalar(int16_t* out, const uint8_t* in, size_t length);
void UlawToLinearScalar(int16_t* out, const uint8_t* in, size_t length);
void LinearToAlawScalar(uint8_t* out, const int16_t* in, size_t length);
void LinearToUlawScalar(uint8_t* out, const int16_t* in, size_t length);
uint64_t AlawEnergyScalar(const uint8_t* in, size_t length);
uint64_t UlawEnergyScalar(const uint8_t* in, size_t length);

void AlawToUlawSse4(uint8_t* out, const uint8_t* in, size_t length);
void UlawToAlawSse4(uint8_t* out, const uint8_t* in, size_t length);
void AlawToLinearSse4(int16_t* out, const uint8_t* in, size_t length);
void UlawToLinearSse4(int16_t* out, const uint8_t* in, size_t length);
void LinearToAlawSse4(uint8_t* out, const int16_t* in, size_t length);
void LinearToUlawSse4(uint8_t* out, const int16_t* in, size_t length);
uint64_t AlawEnergySse4(const uint8_t* in, size_t length);
uint64_t UlawEnergySse4(const uint8_t* in, size_t length);

void AlawToUlawAvx2(uint8_t* out, const uint8_t* in, size_t length);
void UlawToAlawAvx2(uint8_t* out, const uint8_t* in, size_t length);
void AlawToLinearAvx2(int16_t* out, const uint8_t* in, size_t length);
void UlawToLinearAvx2(int16_t* out, const uint8_t* in, size_t length);
void LinearToAlawAvx2(uint8_t* out, const int16_t* in, size_t length);
void LinearToUlawAvx2(uint8_t* out, const int16_t* in, size_t length);
uint64_t AlawEnergyAvx2(const uint8_t* in, size_t length);
uint64_t UlawEnergyAvx2(const uint8_t* in, size_t length);

// The byte maps alone: they are what every transcoded packet pays for. For the rest AVX2 serves.
void AlawToUlawAvx512Vbmi(uint8_t* out, const uint8_t* in, size_t length);
void UlawToAlawAvx512Vbmi(uint8_t* out, const uint8_t* in, size_t length);

}  // namespace kernels
