#include "sipctl/cli/registrations.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/strings/str_format.h"
#include "sipctl/cli/control.h"
#include "sipctl/text.h"

namespace sipctl::cli {

int RunRegistrations(const CallsOptions& options, std::ostream& out, std::ostream& errors) {
  const std::string_view question = options.json ? "registrations json" : "registrations";
  return PrintAnswer(options.control, question, out, errors);
}

std::string RegistrationsText(const std::vector<call::Registrar::View>& views,
                              const call::DoorCounters& counters) {
  std::string text =
      absl::StrFormat("%-20s %-16s %-30s %7s %s\n", "USER", "TRUNK", "FROM", "LEFT", "CONTACT");
  for (const call::Registrar::View& view : views) {
    text += absl::StrFormat("%-20.20s %-16.16s %-30.30s %6ds %s\n", view.user, view.trunk,
                            view.from, view.left_ms / kSecondMs, view.contact);
  }
  text += Concat(views.size(), views.size() == 1 ? " registration\n" : " registrations\n");
  counters.ForEach([&](std::string_view name, std::string_view sentence, uint64_t value) {
    text += absl::StrFormat("%-12s %8d  %s\n", std::string(name), value, std::string(sentence));
  });
  return text;
}

std::string RegistrationsJson(const std::vector<call::Registrar::View>& views,
                              const call::DoorCounters& counters) {
  nlohmann::ordered_json json;
  json["registrations"] = nlohmann::ordered_json::array();
  for (const call::Registrar::View& view : views) {
    json["registrations"].push_back({{"user", view.user},
                                     {"trunk", view.trunk},
                                     {"from", view.from},
                                     {"contact", view.contact},
                                     {"left_ms", view.left_ms}});
  }
  counters.ForEach([&](std::string_view name, std::string_view, uint64_t value) {
    json["counters"][std::string(name)] = value;
  });
  // A Contact may hold bytes that are no UTF-8.
  return json.dump(-1, ' ', /*ensure_ascii=*/true,
                   nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace sipctl::cli
