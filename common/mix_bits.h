// A number's bits mixed, the same way in every process.
#ifndef POSTERN_COMMON_MIX_BITS_H_
#define POSTERN_COMMON_MIX_BITS_H_

#include <cstdint>

namespace postern {

// Spreads what tells `value` from others over all 64 bits, so that any of them choose a place as
// well as others do. One to one. No secret goes into it, and nothing of the process: who gives ids
// out by it gives the same ones in every process, so these numbers are never changed. It doesn't
// withstand somebody who chooses many values: whoever uses it bounds what one place may hold.
constexpr uint64_t MixBits(uint64_t value) {
  // Odd, so that no product loses a bit: the fractions of the golden ratio and of the square root
  // of 3, times 2^64.
  constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;
  constexpr uint64_t kRootOfThree = 0xbb67ae8584caa73b;
  // A product carries differences upwards, and a shift brings them down again.
  value ^= value >> 32;
  value *= kGoldenRatio;
  value ^= value >> 29;
  value *= kRootOfThree;
  return value ^ value >> 32;
}

// The same of two numbers. Those of which the second differs little come to different values.
constexpr uint64_t MixBits(uint64_t first, uint64_t second) {
  constexpr uint64_t kRootOfTwo = 0x6a09e667f3bcc909;  // The fraction, times 2^64.
  return MixBits(first * kRootOfTwo + second);
}

}  // namespace postern

#endif  // POSTERN_COMMON_MIX_BITS_H_
