// Under a sanitizer code runs ten to twenty times slower: there a long test does a part of what it
// does in GCC's build.
#pragma once

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SUPPORT_SANITIZED 1
#endif
#endif

namespace support {

#ifdef SUPPORT_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace support
