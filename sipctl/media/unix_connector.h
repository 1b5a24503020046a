// Links to a relay by its Unix socket. Joining may wait for a relay that does not answer, so each
// attempt runs on a thread of its own and is handed to the loop when it is over.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "sipctl/loop.h"
#include "sipctl/media/relay_link.h"

namespace sipctl::media {

class UnixConnector : public Connector {
 public:
  // `loop` must outlive the connector.
  UnixConnector(Loop* loop, std::string path);
  ~UnixConnector() override;

  void Connect(const AttachRequest& request, Done done) override;

 private:
  Loop* loop_;
  std::string path_;
  std::thread attempt_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sipctl::media
