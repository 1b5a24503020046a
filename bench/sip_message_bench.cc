// What a SIP message costs: one INVITE as a carrier sends it (1 KiB with its SDP), its 200, and
// the cutting of a stream.
#include <string>

#include "benchmark/benchmark.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/stream_framing.h"

namespace {

using sipctl::sip::Message;
using sipctl::sip::ParseFailure;

constexpr std::string_view kSdp =
    "v=0\r\no=root 1821 1821 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    "m=audio 12384 RTP/AVP 8 0 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

std::string Invite() {
  std::string text =
      "INVITE sip:+918047110000@203.0.113.10:5070;transport=tcp SIP/2.0\r\n"
      "Record-Route: <sip:192.0.2.4:5070;transport=tcp;r2=on;lr;ftag=as5c0f>\r\n"
      "Via: SIP/2.0/TCP 192.0.2.4:5070;branch=z9hG4bKf9c1.5d2a6e13.0;i=a7\r\n"
      "Via: SIP/2.0/UDP 192.0.2.5:5060;received=192.0.2.5;branch=z9hG4bK61a0b7c4;rport=5060\r\n"
      "Max-Forwards: 67\r\n"
      "From: \"+919845012345\" <sip:+919845012345@acme.pstn.example.com>;tag=as5c0f9d21\r\n"
      "To: <sip:+918047110000@203.0.113.10:5070>\r\n"
      "Contact: <sip:+919845012345@192.0.2.5:5060;transport=tcp>\r\n"
      "Call-ID: 5f0e6f2a3d4b1c7e0a9b8c7d6e5f4a3b@192.0.2.5:5060\r\n"
      "CSeq: 102 INVITE\r\n"
      "User-Agent: Carrier\r\n"
      "Date: Sat, 21 Nov 2026 03:07:00 GMT\r\n"
      "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH\r\n"
      "Supported: replaces\r\n"
      "X-Exotel-CallSid: 0123456789abcdef0123456789abcdef\r\n"
      "P-Asserted-Identity: <sip:+919845012345@acme.pstn.example.com>\r\n"
      "Content-Type: application/sdp\r\nContent-Length: ";
  return text.append(std::to_string(kSdp.size())).append("\r\n\r\n").append(kSdp);
}

Message Parsed() {
  ParseFailure failure;
  return *sipctl::sip::Parse(Invite(), &failure);
}

void BM_SipMessage_Parse(benchmark::State& state) {
  const std::string bytes = Invite();
  for (auto _ : state) {
    ParseFailure failure;
    benchmark::DoNotOptimize(sipctl::sip::Parse(bytes, &failure));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK(BM_SipMessage_Parse)->Name("BM_SipMessage/parse");

void BM_SipMessage_Encode(benchmark::State& state) {
  const Message message = Parsed();
  for (auto _ : state) benchmark::DoNotOptimize(sipctl::sip::Encode(message));
}
BENCHMARK(BM_SipMessage_Encode)->Name("BM_SipMessage/encode");

void BM_SipMessage_Respond(benchmark::State& state) {
  const Message request = Parsed();
  for (auto _ : state) {
    benchmark::DoNotOptimize(sipctl::sip::Encode(sipctl::sip::MakeResponse(request, 200, "tag")));
  }
}
BENCHMARK(BM_SipMessage_Respond)->Name("BM_SipMessage/respond");

void BM_StreamFraming(benchmark::State& state) {
  std::string stream;
  for (int i = 0; i < 32; ++i) stream += Invite();
  sipctl::sip::StreamFraming framing;
  for (auto _ : state) {
    framing.Feed(stream);
    std::string_view message;
    while (framing.Next(&message) == sipctl::sip::StreamFraming::Cut::kMessage) {
      benchmark::DoNotOptimize(message);
    }
  }
  state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK(BM_StreamFraming)->Name("BM_StreamFraming/messages:32");

}  // namespace

BENCHMARK_MAIN();
