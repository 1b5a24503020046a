// What nearly every file of the relay's slow side includes, compiled once for each library that
// names it (Meson's cpp_pch). It is a compilation's main file, in which GCC warns of #pragma once.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
