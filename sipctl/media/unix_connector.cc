#include "sipctl/media/unix_connector.h"

#include <sys/epoll.h>

#include <utility>

namespace sipctl::media {

namespace {

using relay::abi::AttachFailure;
using relay::abi::Attachment;

// A relay that lives answers within microseconds.
constexpr int kAttachMs = 500;

class AttachmentLink : public RelayLink {
 public:
  AttachmentLink(Loop* loop, Attachment attachment)
      : loop_(loop), attachment_(std::move(attachment)) {}
  ~AttachmentLink() override {
    if (!on_events_) return;
    loop_->Unwatch(attachment_.event_fd());
    loop_->Unwatch(attachment_.socket_fd());
  }

  relay::abi::RingResult Push(const relay::abi::Command& command) override {
    return attachment_.Push(command);
  }
  relay::abi::RingResult Pop(relay::abi::Event* event) override { return attachment_.Pop(event); }
  void Signal() override { attachment_.Signal(); }
  uint64_t Beat() override {
    attachment_.Beat();
    return attachment_.RelayHeartbeat();
  }
  bool draining() const override { return attachment_.Draining(); }
  PortSpace ports() const override {
    return {.addresses = attachment_.addresses(),
            .leases = attachment_.leases(),
            .placement = attachment_.placement()};
  }
  uint64_t instance() const override { return attachment_.state().instance; }
  bool resumed() const override { return attachment_.resumed(); }
  std::span<uint8_t> journal() const override { return attachment_.journal(); }
  uint32_t sessions_max() const override {
    return static_cast<uint32_t>(attachment_.sessions().size());
  }
  bool ReadSession(uint32_t index, relay::abi::SessionRecord* copy) const override {
    return attachment_.ReadSession(index, copy);
  }
  bool ReadStatistics(uint32_t index, relay::abi::LegStatistics* copy) const override {
    return attachment_.ReadStatistics(index, copy);
  }

  void Watch(std::function<void()> events, std::function<void()> end) override {
    on_events_ = std::move(events);
    on_end_ = std::move(end);
    // The callbacks may destroy this link: each runs on a copy, and nothing is touched after it.
    loop_->Watch(attachment_.event_fd(), EPOLLIN, [this](uint32_t) {
      attachment_.ClearSignal();
      const std::function<void()> act = on_events_;
      act();
    });
    loop_->Watch(attachment_.socket_fd(), EPOLLIN, [this](uint32_t) {
      if (!attachment_.RelayGone()) return;
      const std::function<void()> act = on_end_;
      act();
    });
  }

 private:
  Loop* loop_;
  Attachment attachment_;
  std::function<void()> on_events_, on_end_;
};

}  // namespace

UnixConnector::UnixConnector(Loop* loop, std::string path) : loop_(loop), path_(std::move(path)) {}

UnixConnector::~UnixConnector() {
  *alive_ = false;
  if (attempt_.joinable()) attempt_.join();
}

void UnixConnector::Connect(const AttachRequest& request, Done done) {
  if (attempt_.joinable()) attempt_.join();  // it has called back, so it is at its end
  attempt_ = std::thread([this, request, alive = alive_, done = std::move(done)] {
    // Shared, because what is posted must be copyable.
    auto attachment = std::make_shared<Attachment>();
    const AttachFailure failure = attachment->Attach({.path = path_,
                                                      .owner_cookie = request.owner_cookie,
                                                      .journal_bytes = request.journal_bytes,
                                                      .name = request.name,
                                                      .timeout_ms = kAttachMs});
    loop_->Post([this, alive, attachment, failure, done] {
      if (!*alive) return;
      done(failure.ok() ? std::make_unique<AttachmentLink>(loop_, std::move(*attachment)) : nullptr,
           failure);
    });
  });
}

}  // namespace sipctl::media
