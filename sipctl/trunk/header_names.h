// Which headers a configuration may let through from one side of a call to the other.
#pragma once

#include <string_view>

namespace sipctl::trunk {

// X- headers, and standard ones that say something about the call and nothing about who carries it:
// what routes, authenticates, names hosts inside, or says who calls is made new for each side.
bool IsPassable(std::string_view header);

// A name of those, or the beginning of some and a *: "X-Tenant", "X-*".
bool IsPassablePattern(std::string_view pattern);

}  // namespace sipctl::trunk
