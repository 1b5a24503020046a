// Addresses as people write them.
#pragma once

#include <string>

#include "relay/abi/endpoint.h"
#include "relay/abi/segment.h"

namespace relay {

std::string AddressText(const abi::Address& address);

// As --listen takes it, ports included.
std::string ListenText(const abi::LocalAddress& address);

}  // namespace relay
