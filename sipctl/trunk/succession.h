// A configuration after another, in a process that has calls. Calls know their trunks by index, so
// no index changes its meaning while a call uses it: a trunk that is as it was keeps its place, a
// new or changed one takes a free place, and the old one stays, retired, for the calls that began
// with it.
//
//   running   0 carrier           1 pbx
//   next        carrier, changed    pbx
//   result    0 carrier, retired  1 pbx   2 carrier, changed
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "sipctl/trunk/config.h"

namespace sipctl::trunk {

// `in_use` says whether a call has the trunk of that index.
Config Succeed(const Config& running, const Config& next,
               const std::function<bool(size_t)>& in_use);

// What a running process cannot change, each as a sentence; empty: `next` may succeed `running`.
std::vector<std::string> RestartReasons(const Config& running, const Config& next);

}  // namespace sipctl::trunk
