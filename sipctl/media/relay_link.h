// The wire to a relay, as the client above needs it: two rings, the segment, and the end of the
// relay's process. `UnixConnector` makes links of abi::Attachment; tests make them of plain memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "relay/abi/attach.h"
#include "relay/abi/segment.h"
#include "sipctl/media/port_allocator.h"

namespace sipctl::media {

class RelayLink {
 public:
  virtual ~RelayLink() = default;

  virtual relay::abi::RingResult Push(const relay::abi::Command& command) = 0;
  virtual relay::abi::RingResult Pop(relay::abi::Event* event) = 0;
  // After a batch of commands.
  virtual void Signal() = 0;

  // Says that we live and returns the count of the relay's turns.
  virtual uint64_t Beat() = 0;
  virtual bool draining() const = 0;

  virtual PortSpace ports() const = 0;
  virtual uint64_t instance() const = 0;  // another number = another relay process
  virtual bool resumed() const = 0;       // our sessions and journal of before are there
  virtual std::span<uint8_t> journal() const = 0;

  virtual uint32_t sessions_max() const = 0;
  virtual bool ReadSession(uint32_t index, relay::abi::SessionRecord* copy) const = 0;
  virtual bool ReadStatistics(uint32_t index, relay::abi::LegStatistics* copy) const = 0;

  // Calls `events` when events may be waiting and `end` when the relay's process is no more; both
  // from the loop, never from inside another call. Once, before anything else.
  virtual void Watch(std::function<void()> events, std::function<void()> end) = 0;
};

struct AttachRequest {
  uint64_t owner_cookie = 0;
  uint32_t journal_bytes = 0;
  std::string name;  // for people
};

// Tries to join the relay without holding up the loop.
class Connector {
 public:
  // A null link with the reason, or a link.
  using Done = std::function<void(std::unique_ptr<RelayLink>, relay::abi::AttachFailure)>;

  virtual ~Connector() = default;
  // One attempt at a time; `done` is called from the loop.
  virtual void Connect(const AttachRequest& request, Done done) = 0;
};

}  // namespace sipctl::media
