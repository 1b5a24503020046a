// What a fuzzed program must never break.
#pragma once

#include <cstdio>
#include <cstdlib>

#define REQUIRE(holds)                                                 \
  do {                                                                 \
    if (!(holds)) {                                                    \
      std::fprintf(stderr, "line %d: not so: %s\n", __LINE__, #holds); \
      std::abort();                                                    \
    }                                                                  \
  } while (false)
