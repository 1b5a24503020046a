#include "sipctl/cli/probe_peer.h"

#include <algorithm>
#include <ctime>
#include <random>
#include <utility>

#include "absl/strings/ascii.h"
#include "sipctl/call/destinations.h"
#include "sipctl/cli/certificates.h"
#include "sipctl/cli/tls_of.h"
#include "sipctl/media/media_plan.h"
#include "sipctl/sip/certificate.h"
#include "sipctl/text.h"

namespace sipctl::cli {
namespace {

using Verdict = Finding::Verdict;

std::string TargetText(const sip::Target& target) {
  return sip::ToString(target);
}

std::string Described(const sip::CertificateFacts& facts) {
  return Concat("certificate of ",
                facts.names.empty() ? std::string("nobody") : Join(facts.names, ", "), " by ",
                facts.issuer.empty() ? std::string("somebody without a name") : facts.issuer);
}

}  // namespace

PeerProbe::PeerProbe(const trunk::Config& config, const trunk::Trunk& trunk,
                     const trunk::Destination& destination, const ProbeWorld& world,
                     ProbeNames* names, ProbeReport* report)
    : trunk_(trunk),
      destination_(destination),
      listener_(config.listeners[trunk.listener]),
      world_(world),
      names_(names),
      report_(report),
      place_(call::PlaceOf(destination)) {}

void PeerProbe::Run() {
  if (!report_->Step("dns", [this] { return Dns(); })) return;
  for (const sip::Target& target : targets_) Ask(target);
}

Finding PeerProbe::Dns() {
  auto found = names_->Locate(place_);
  if (!found.ok()) {
    return {Verdict::kFailed,
            std::string(found.status().message()),
            {"the name is misspelt: compare it with what the carrier gave you",
             "this machine asks no name server: see /etc/resolv.conf, or name_servers",
             "a firewall stops UDP and TCP 53"}};
  }
  targets_ = *std::move(found);
  const bool ipv4 = listener_.bind.address.IsIpv4();
  std::erase_if(targets_,
                [&](const sip::Target& each) { return each.address.address.IsIpv4() != ipv4; });
  if (targets_.empty()) {
    return {Verdict::kFailed,
            Concat(sip::ToString(place_), " has no ", ipv4 ? "IPv4" : "IPv6", " address"),
            {Concat("listener ", listener_.name, " is bound to ",
                    sdp::FormatIpAddress(listener_.bind.address),
                    ": the trunk needs a listener of the other family")}};
  }
  if (sdp::ParseIpAddress(destination_.host)) {
    return {Verdict::kOk, Concat(destination_.host, " is an address"), {}};
  }
  return Compare(Concat(sip::ToString(place_), " is at ", Join(targets_, ", ", TargetText)));
}

Finding PeerProbe::Compare(std::string text) const {
  std::vector<std::string> strange;
  for (const sip::Target& target : targets_) {
    const sdp::IpAddress address = media::FromAbi(target.address.address);
    const bool known =
        std::any_of(trunk_.sources.begin(), trunk_.sources.end(),
                    [&](const sdp::IpNetwork& network) { return network.Contains(address); });
    if (!known) strange.push_back(sdp::FormatIpAddress(address));
  }
  if (strange.empty() || trunk_.way == trunk::Way::kOutbound) {
    return {Verdict::kOk, std::move(text), {}};
  }
  return {Verdict::kWarning,
          Concat("CV-06: ", text, "; sources do not have ", Join(strange, ", ")),
          {"the carrier has moved: ask which addresses its SIP comes from now, and add them",
           "the carrier calls from other addresses than it answers at: let it confirm that"}};
}

void PeerProbe::Ask(const sip::Target& target) {
  ProbeSocket socket;
  if (!report_->Step("connect", [&] { return Connect(target, &socket); })) return;
  if (target.protocol == sip::Protocol::kTls &&
      !report_->Step("tls", [&] { return Tls(target, &socket); })) {
    return;
  }
  report_->Step("options", [&] { return Options(&socket); });
}

Finding PeerProbe::Connect(const sip::Target& target, ProbeSocket* socket) const {
  const std::string where = sip::ToString(target);
  const bool stream = target.protocol != sip::Protocol::kUdp;
  const absl::Status done = socket->Connect(
      listener_.bind.address, {media::FromAbi(target.address.address), target.address.port}, stream,
      world_.wait_ms);
  if (done.ok()) {
    return {Verdict::kOk,
            Concat(where, " from ", sdp::FormatIpAddress(socket->local().address),
                   stream ? "" : " (UDP has no connection: only the answer shows)"),
            {}};
  }
  const std::string text = Concat(where, ": ", std::string(done.message()));
  if (absl::IsFailedPrecondition(done)) {
    return {Verdict::kFailed,
            text,
            {Concat(sdp::FormatIpAddress(listener_.bind.address), " (bind of listener ",
                    listener_.name, ") is no address of this machine")}};
  }
  if (absl::IsDeadlineExceeded(done)) {
    return {Verdict::kFailed,
            text,
            {"a firewall on the way out, or at the carrier: is our address on its allow-list?",
             Concat("the carrier listens on another port than ", target.address.port),
             "the address is a media server: it answers no SIP (sipctl check --explain CV-01)"}};
  }
  return {Verdict::kFailed,
          text,
          {Concat("nobody listens for ", trunk::TransportName(destination_.transport), " on port ",
                  target.address.port, " there: compare transport and port with the carrier's"),
           "the carrier refuses addresses that are not on its allow-list",
           "no route to it from this machine"}};
}

Finding PeerProbe::Tls(const sip::Target& target, ProbeSocket* socket) const {
  const auto context = sip::MakeTlsClient(*TlsOf(trunk_));
  if (!context.ok()) {
    return {Verdict::kFailed,
            std::string(context.status().message()),
            {"tls_trust, tls_certificate and tls_key name PEM files that this user may read"}};
  }
  const std::string name = trunk_.tls.name.empty() ? destination_.host : trunk_.tls.name;
  const absl::Status done = socket->Secure(context->get(), name, world_.wait_ms);
  if (!done.ok()) return TlsFailed(target, std::string(done.message()));
  const auto facts = sip::FactsOfChain(socket->tls()->peer_chain());
  std::string text = socket->tls()->session();
  if (!facts) return {Verdict::kOk, text, {}};
  const int64_t days = (facts->not_after_unix_s - std::time(nullptr)) / kDaySeconds;
  text += Concat(", ", Described(*facts), ", ends in ", days, " days");
  if (!trunk_.tls.verify) {
    return {Verdict::kWarning,
            Concat(text, "; not verified"),
            {"tls_verify: false lets anybody answer for the carrier: for a laboratory alone"}};
  }
  if (days < kExpiryWarningDays) {
    return {Verdict::kWarning, text, {"the carrier has forgotten to renew it: tell it"}};
  }
  return {Verdict::kOk, std::move(text), {}};
}

// What it shows to whoever believes everything says most.
Finding PeerProbe::TlsFailed(const sip::Target& target, const std::string& error) const {
  auto options = *TlsOf(trunk_);
  options.verify = false;
  const auto context = sip::MakeTlsClient(options);
  const std::string name = trunk_.tls.name.empty() ? destination_.host : trunk_.tls.name;
  ProbeSocket again;
  std::optional<sip::CertificateFacts> facts;
  if (context.ok() &&
      again
          .Connect(listener_.bind.address,
                   {media::FromAbi(target.address.address), target.address.port}, true,
                   world_.wait_ms)
          .ok() &&
      again.Secure(context->get(), name, world_.wait_ms).ok()) {
    facts = sip::FactsOfChain(again.tls()->peer_chain());
  }
  if (!facts) {
    return {Verdict::kFailed,
            error,
            {"the port takes plain SIP over TCP, not TLS",
             "it asks for a certificate of ours: tls_certificate and tls_key",
             "it speaks nothing newer than TLS 1.1, or the carrier does not know our address"}};
  }
  std::vector<std::string> causes;
  if (error.find("expired") != error.npos) {
    causes.emplace_back(
        "it has ended: the carrier must renew it (or this machine's clock is wrong)");
  }
  if (!sip::Covers(*facts, name)) {
    causes.push_back(Concat("it does not carry ", name,
                            ": write the destination, or tls_name, as the carrier's certificate "
                            "has it, if that is whom you mean"));
  }
  causes.push_back(Concat("this machine does not know ",
                          facts->issuer.empty() ? std::string("its issuer") : facts->issuer,
                          ": install ca-certificates, or give its root in tls_trust"));
  causes.emplace_back("the carrier does not send the intermediate certificates of its chain");
  return {Verdict::kFailed, Concat(error, ": ", Described(*facts)), std::move(causes)};
}

Finding PeerProbe::Options(ProbeSocket* socket) const {
  const auto answer = socket->Ask(OptionsText(socket->local()), world_.wait_ms);
  if (!answer.ok()) {
    std::vector<std::string> causes = {
        "our address is not on the carrier's allow-list: strangers get no answer",
        "the far side answers no OPTIONS: make a call before you believe this"};
    if (destination_.transport == trunk::Transport::kTls) {
      // In TLS 1.3 the refusal of a client comes after its hand-shake.
      causes.insert(causes.begin(),
                    "it asks for a certificate of ours: tls_certificate and tls_key");
    } else {
      causes.insert(causes.begin() + 1,
                    "the port takes TLS, not plain SIP, or the other way round");
    }
    return {Verdict::kFailed, std::string(answer.status().message()), std::move(causes)};
  }
  const std::string line = answer->substr(0, answer->find("\r\n"));
  if (!line.starts_with("SIP/2.0 ")) {
    return {Verdict::kFailed,
            Concat("this is no SIP: ", line.substr(0, 60)),
            {"another service listens on this port"}};
  }
  const std::string status = line.substr(8);
  if (status.starts_with("403") || status.starts_with("401") || status.starts_with("407")) {
    return {Verdict::kWarning,
            status,
            {"it is there and does not want us: allow-list, from_domain or digest"}};
  }
  return {Verdict::kOk, Concat(status, ": it is there and speaks SIP"), {}};
}

std::string PeerProbe::OptionsText(const sdp::IpEndpoint& local) const {
  const std::string_view transport = trunk::TransportName(destination_.transport);
  const std::string here = sdp::FormatIpEndpoint(local);
  std::random_device random;
  const std::string unique = Concat(random(), random());
  const std::string& name = destination_.host;
  const std::string host = name.find(':') == std::string::npos ? name : Concat("[", name, "]");
  const std::string port = place_.port == 0 ? "" : Concat(":", place_.port);
  return Concat("OPTIONS sip:", host, port, ";transport=", transport, " SIP/2.0\r\nVia: SIP/2.0/",
                absl::AsciiStrToUpper(std::string(transport)), " ", here, ";rport;branch=z9hG4bK",
                unique, "\r\nMax-Forwards: 70\r\nFrom: <sip:probe@",
                trunk_.from_domain.empty() ? listener_.advertise_host : trunk_.from_domain,
                ">;tag=", unique, "\r\nTo: <sip:", host, ">\r\nCall-ID: ", unique,
                "\r\nCSeq: 1 OPTIONS\r\nContact: <sip:probe@", here, ";transport=", transport,
                ">\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n");
}

}  // namespace sipctl::cli
