// A struct of counters made from one list: each has a name and a sentence.
//
//   #define SIPCTL_FRUIT_COUNTERS(X) X(apples, "apples that fell") X(pears, "pears that fell")
//   struct FruitCounters { SIPCTL_COUNTERS_OF(SIPCTL_FRUIT_COUNTERS) };
#pragma once

#include <cstdint>
#include <string_view>

#define SIPCTL_COUNTER_FIELD(name, sentence) uint64_t name = 0;
#define SIPCTL_COUNTER_VISIT(name, sentence) \
  visit(std::string_view(#name), std::string_view(sentence), name);

// The fields, and ForEach: visit(name, sentence, value) for each, in the order of the list.
#define SIPCTL_COUNTERS_OF(LIST)    \
  LIST(SIPCTL_COUNTER_FIELD)        \
  template <typename Visit>         \
  void ForEach(Visit visit) const { \
    LIST(SIPCTL_COUNTER_VISIT)      \
  }
