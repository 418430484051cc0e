// Whether this is a build with a sanitizer, which needs more rights and more memory.
#ifndef POSTERN_COMMON_SANITIZED_H_
#define POSTERN_COMMON_SANITIZED_H_

namespace postern {

#ifdef POSTERN_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace postern

#endif  // POSTERN_COMMON_SANITIZED_H_
