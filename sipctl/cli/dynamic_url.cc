#include "sipctl/cli/dynamic_url.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "sipctl/text.h"
#include "sipctl/trunk/gateway.h"

namespace sipctl::cli {
namespace {

using nlohmann::json;
using trunk::Diagnostic;
using trunk::Severity;

// The guide's limits for custom SIP headers of one call.
constexpr size_t kHeadersMax = 3;
constexpr size_t kBytesMax = 200;

class Answer {
 public:
  Answer(const std::string& file, const trunk::Profile& profile) : file_(file), profile_(profile) {}

  void Check(const json& answer) {
    for (const auto& [name, value] : answer.items()) {
      if (name == "fetch_after_attempt" || name == "record") {
        if (!value.is_boolean()) Error(Concat(name, " is no truth value"), "true or false");
      } else if (name == "destination") {
        if (!value.is_object()) Error("destination is no object", R"({"trunk": "NAME"})");
      } else if (name == "recording_channels") {
        if (value != "single" && value != "dual") {
          Error("recording_channels is unknown", R"("single" or "dual")");
        }
      } else if (name == "custom_params") {
        CheckParameters(value);
      } else {
        Error(Concat("the answer has no member '", name, "'"),
              "fetch_after_attempt, destination, custom_params, record or recording_channels");
      }
    }
    if (!answer.contains("destination")) Error("there is no destination", R"({"trunk": "NAME"})");
  }

  void Error(std::string message, std::string instead) {
    found_.push_back({Severity::kError, file_, 0, std::move(message), std::move(instead), ""});
  }
  std::vector<Diagnostic> found() { return std::move(found_); }

 private:
  void Break(std::string message, std::string instead) {
    found_.push_back(trunk::ByRule("CV-15", file_, 0, std::move(message), std::move(instead)));
  }

  void CheckParameters(const json& value) {
    if (!value.is_string()) {
      Error("custom_params is no text", R"("X-Param1=value1&X-Param2=value2")");
      return;
    }
    const std::string text = value.get<std::string>();
    for (const char c : text) {
      if (c >= ' ' && c <= '~') continue;
      Break("custom_params has a byte that no header may have", "printable ASCII");
      break;
    }
    const std::vector<std::string_view> parameters = Split(text, '&');
    if (parameters.size() > kHeadersMax) {
      Break(Concat(parameters.size(), " custom headers; the carrier passes ", kHeadersMax),
            "the three that matter");
    }
    // What counts is not said exactly: names, values and all separators, to be safe.
    if (text.size() > kBytesMax) {
      Break(Concat("custom_params has ", text.size(), " bytes; the carrier passes ", kBytesMax),
            "a key that the PBX looks the rest up with");
    }
    for (const std::string_view parameter : parameters) {
      const std::string name(parameter.substr(0, parameter.find('=')));
      if (name.empty() || parameter.find('=') == std::string_view::npos) {
        Break(Concat("'", parameter, "' has no name=value"), "name=value");
      } else if (profile_.IsReserved(name)) {
        found_.push_back(trunk::ByRule("CV-13", file_, 0,
                                       Concat("names like ", name, " belong to ", profile_.title),
                                       "another name"));
      }
    }
  }

  const std::string& file_;
  const trunk::Profile& profile_;
  std::vector<Diagnostic> found_;
};

}  // namespace

std::vector<Diagnostic> LintDynamicUrl(std::string_view text, const std::string& file,
                                       const trunk::Profile& profile) {
  Answer answer(file, profile);
  const json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_object()) {
    answer.Check(parsed);
  } else {
    answer.Error("this is no JSON object", R"({"destination": {"trunk": "NAME"}})");
  }
  return answer.found();
}

}  // namespace sipctl::cli
