#include "sipctl/cli/exotel_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "sipctl/cli/trunk_of.h"
#include "sipctl/text.h"

namespace sipctl::cli {
namespace {

using nlohmann::ordered_json;

constexpr size_t kTrunkNameMax = 16;  // the interface's own limits
constexpr size_t kFriendlyNameMax = 32;

// Letters, digits and underscores, 16 at most: the interface's form of a name (CV-24).
std::string TrunkName(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !IsAlpha(c) && !IsDigit(c); }, '_');
  return name.substr(0, kTrunkNameMax);
}

std::string HostPortOf(const trunk::Listener& listener) {
  const std::string& host = listener.advertise_host;
  return host.find(':') == std::string::npos ? Concat(host, ":", listener.advertise_port)
                                             : Concat("[", host, "]:", listener.advertise_port);
}

class Plan {
 public:
  Plan(const trunk::Config& config, const trunk::Trunk& trunk, std::ostream& out)
      : config_(config), trunk_(trunk), listener_(config.listeners[trunk.listener]), out_(out) {
    fixed_ = sdp::ParseIpAddress(listener_.advertise_host).has_value();
  }

  void Print() {
    PrintHead();
    PrintTrunk();
    PrintNumbers();
    if (fixed_) PrintAllowList();
    if (trunk_.way != trunk::Way::kOutbound) PrintDestination();
    PrintCredentials();
    if (!fixed_ && trunk_.way != trunk::Way::kInbound) PrintTriggeredCall();
    PrintRest();
  }

 private:
  void PrintHead() {
    const trunk::Profile& carrier = *trunk_.carrier;
    out_ << "#!/usr/bin/env bash\n"
         << "# Trunk " << trunk_.name << " at " << carrier.title << ", by profile " << carrier.name
         << " of " << carrier.dated << ". Read it, then run it line by line;\n"
         << "# sipctl has executed nothing. Key and token: API settings of the account.\n"
         << "# An answer with HTTP 200 may hold an error inside: look at response.code.\n"
         << "# Error 1008 means that it is there already.\n"
         << "set -eu\n"
         << ": \"${EXOTEL_API_KEY:?}\" \"${EXOTEL_API_TOKEN:?}\"\n"
         << "ACCOUNT=" << Quoted(trunk_.account) << "\n"
         << "TRUNKS=" << Quoted(carrier.api) << "/v2/accounts/\"$ACCOUNT\"/trunks\n";
  }

  void PrintTrunk() {
    Step("Create the trunk, and keep trunk_sid of the answer");
    const std::string name = TrunkName(trunk_.name);
    if (name != trunk_.name) {
      out_ << "# '" << trunk_.name << "' is no name there (at most " << kTrunkNameMax
           << " letters, digits, underscores); it is called " << name << ".\n";
    }
    Post("\"$TRUNKS\"",
         {{"trunk_name", name},
          {"nso_code", "ANY-ANY"},
          {"domain_name", Concat(trunk_.account, ".", trunk_.carrier->account_domain)}});
    out_ << "TRUNK_SID=${TRUNK_SID:?trunk_sid of the answer above}\n";
  }

  void PrintNumbers() {
    Step("Map the numbers to it");
    if (trunk_.numbers.empty())
      out_ << "# none are configured: numbers: [\"+91...\"] in the trunk\n";
    for (const std::string& number : trunk_.numbers) {
      Post(Of("phone-numbers"),
           {{"phone_number", number}, {"mode", IsOfFlow(number) ? "flow" : "pstn"}});
    }
  }

  void PrintAllowList() {
    Step("Allow the address that our calls come from; a destination must stand here first");
    Post(Of("whitelisted-ips"), {{"ip", listener_.advertise_host}, {"mask", 32}});
  }

  void PrintDestination() {
    Step("Say where its calls go: our listener");
    Post(Of("destination-uris"),
         {{"destinations",
           {{{"destination", Concat(HostPortOf(listener_),
                                    ";transport=", trunk::TransportName(listener_.transport))}}}}});
    out_ << "# In the flow of the numbers, the Connect applet dials sip:$TRUNK_SID.\n";
  }

  // The password is put into JSON by the shell: it stands in no file and in no list of processes.
  void PrintCredentials() {
    Step("Only where the trunk authenticates by digest: user name and password");
    out_ << "if [ -n \"${EXOTEL_SIP_USER:-}\" ]; then\n"
         << "  printf '{\"user_name\": \"%s\", \"password\": \"%s\", \"friendly_name\": \"%s\"}' "
         << "\"$EXOTEL_SIP_USER\" \\\n      \"${EXOTEL_SIP_PASSWORD:?}\" "
         << Quoted(trunk_.name.substr(0, kFriendlyNameMax)) << " | \\\n  " << Curl()
         << " --data @- " << Of("credentials") << "\nfi\n";
  }

  void PrintTriggeredCall() {
    Step(
        "Calls to the telephone network: ours have no fixed address, so the interface starts them");
    out_ << "# It rings $CALLEE, then runs the flow $FLOW_ID, whose Connect applet dials "
            "sip:$TRUNK_SID:\n# here the call arrives as an inbound one.\n";
    out_ << "if [ -n \"${FLOW_ID:-}\" ]; then\n  " << Auth() << " -X POST "
         << Quoted(trunk_.carrier->api) << "/v1/Accounts/\"$ACCOUNT\"/Calls/connect \\\n"
         << "      --data-urlencode \"From=${CALLEE:?}\" --data-urlencode CallerId="
         << (trunk_.numbers.empty() ? "\"${CALLER_ID:?}\"" : Quoted(trunk_.numbers[0]))
         << " \\\n      --data-urlencode \"Url=" << trunk_.carrier->flow_url
         << "/$ACCOUNT/exoml/start_voice/$FLOW_ID\"\nfi\n";
  }

  void PrintRest() {
    Step("What is there now");
    for (const char* what : {"phone-numbers", "whitelisted-ips", "destination-uris"}) {
      out_ << Auth() << ' ' << Of(what) << '\n';
    }
    out_ << "# To take it away again: " << Auth()
         << " -X DELETE \"$TRUNKS?trunk_sid=$TRUNK_SID\"\n";
  }

  // Whether calls to the number go into a flow.
  bool IsOfFlow(const std::string& number) const {
    return std::any_of(config_.routes.begin(), config_.routes.end(),
                       [&](const trunk::Route& route) {
                         return route.flow && &config_.trunks[route.to] == &trunk_ &&
                                (std::find(route.numbers.begin(), route.numbers.end(), number) !=
                                     route.numbers.end() ||
                                 (route.numbers.empty() && number.starts_with(route.prefix)));
                       });
  }

  void Step(std::string_view what) { out_ << "\n# " << ++step_ << ". " << what << ".\n"; }
  void Post(const std::string& url, const ordered_json& body) {
    out_ << Curl() << " --data " << Quoted(body.dump()) << " \\\n    " << url << '\n';
  }
  static std::string Auth() { return "curl -sS -u \"$EXOTEL_API_KEY:$EXOTEL_API_TOKEN\""; }
  static std::string Curl() {
    return Concat(Auth(), " -X POST -H 'Content-Type: application/json'");
  }
  static std::string Of(std::string_view what) {
    return Concat("\"$TRUNKS/$TRUNK_SID/", what, "\"");
  }
  // The configuration's names and numbers have no quotes.
  static std::string Quoted(std::string_view text) { return Concat("'", text, "'"); }

  const trunk::Config& config_;
  const trunk::Trunk& trunk_;
  const trunk::Listener& listener_;
  std::ostream& out_;
  bool fixed_ = false;  // our calls come from an address, not from a name
  int step_ = 0;
};

}  // namespace

int RunExotelPlan(const ExotelPlanOptions& options, std::ostream& out, std::ostream& err) {
  const std::optional<TrunkOf> found = LoadTrunk(options.config, options.trunk, err);
  if (!found.has_value()) return 1;
  const trunk::Trunk& trunk = found->config->trunks[found->trunk];
  if (trunk.carrier == nullptr || trunk.carrier->api.empty()) {
    err << "trunk '" << trunk.name << "' has no profile with an interface for trunks; write "
        << "profile: exotel in it\n";
    return 1;
  }
  if (trunk.account.empty()) {
    err << "trunk '" << trunk.name << "' has no account; write account: or from_domain: in it\n";
    return 1;
  }
  Plan(*found->config, trunk, out).Print();
  return 0;
}

}  // namespace sipctl::cli
