// Reads any body, answers it when it can be answered, and checks what must hold for every input:
// written text is stable, an answer keeps the m= lines and adds no format.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sipctl/sdp/description.h"
#include "sipctl/sdp/offer_answer.h"

namespace {

using sipctl::sdp::Description;

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckAnswer(const Description& offer) {
  sipctl::sdp::MediaPolicy policy;
  policy.allow_loopback = true;
  sipctl::sdp::OfferAnswer a(policy, 1);
  if (!a.ReceiveOffer(offer).ok()) return;
  const sipctl::sdp::IpEndpoint endpoint = {*sipctl::sdp::ParseIpAddress("192.0.2.1"), 10000};
  sipctl::sdp::OfferAnswer b(policy, 2);
  const absl::StatusOr<Description> forwarded =
      b.MakeOffer(sipctl::sdp::OfferToward(a, policy, endpoint));
  Require(forwarded.ok());

  sipctl::sdp::LocalMedia local;
  local.endpoint = endpoint;
  local.codecs = policy.codecs;
  const absl::StatusOr<Description> answer = a.MakeAnswer(local);
  Require(answer.ok() && answer->media.size() == offer.media.size());
  size_t carried = 0;
  for (size_t i = 0; i < answer->media.size(); ++i) {
    Require(answer->media[i].kind == offer.media[i].kind);
    if (answer->media[i].port == 0) continue;
    ++carried;
    for (const std::string& format : answer->media[i].formats) {
      const auto& offered = offer.media[i].formats;
      Require(std::find(offered.begin(), offered.end(), format) != offered.end());
    }
  }
  Require(carried == 1);
  Require(sipctl::sdp::Parse(sipctl::sdp::Write(*answer)).ok());
  Require(a.ReceiveOffer(offer).outcome == sipctl::sdp::Outcome::kUnchanged);
  Require(a.RepeatAnswer().ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<Description> description =
      sipctl::sdp::Parse({reinterpret_cast<const char*>(data), size});
  if (!description.ok()) return 0;
  const std::string written = sipctl::sdp::Write(*description);
  if (written.size() <= sipctl::sdp::kBytesMax) {
    const absl::StatusOr<Description> again = sipctl::sdp::Parse(written);
    // Only the two lines that the writer adds can push a body over the limit.
    if (again.ok()) Require(sipctl::sdp::Write(*again) == written);
  }
  CheckAnswer(*description);
  return 0;
}
