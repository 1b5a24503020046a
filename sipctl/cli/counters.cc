#include "sipctl/cli/counters.h"

#include <string_view>

#include "absl/strings/str_format.h"
#include "sipctl/cli/control.h"
#include "sipctl/text.h"

namespace sipctl::cli {

namespace {

// visit(name, sentence, value).
template <typename Visit>
void ForEachNow(const Counted& counted, Visit visit) {
  visit("calls", "calls that are not over", counted.calls);
  visit("connections", "connections over TCP and TLS that are open", counted.connections);
  visit("transactions", "transactions, those that only linger included", counted.transactions);
}

// name: value pairs of one object.
class JsonObject {
 public:
  explicit JsonObject(std::string* json) : json_(json) { *json_ += "{"; }
  ~JsonObject() { *json_ += "}"; }
  void operator()(std::string_view name, std::string_view, uint64_t value) {
    *json_ += Concat(json_->back() == '{' ? "" : ",", "\"", name, "\":", value);
  }

 private:
  std::string* const json_;
};

}  // namespace

int RunCounters(const CountersOptions& options, std::ostream& out, std::ostream& errors) {
  const std::string_view question =
      options.json ? "counters json" : (options.all ? "counters all" : "counters");
  return PrintAnswer(options.control, question, out, errors);
}

std::string CountersText(const Counted& counted, bool zeros) {
  std::string text;
  const auto line = [&](std::string_view name, std::string_view sentence, uint64_t value) {
    if (value == 0 && !zeros) return;
    absl::StrAppendFormat(&text, "  %-24s %14d  %s\n", name, value, sentence);
  };
  text += "now\n";
  ForEachNow(counted, line);
  text += "transport\n";
  counted.transport.ForEach(line);
  text += "transactions\n";
  counted.transaction.ForEach(line);
  text += "overload\n";
  counted.overload.ForEach(line);
  return text;
}

std::string CountersJson(const Counted& counted) {
  std::string json = "{\"now\":";
  {
    JsonObject object(&json);
    ForEachNow(counted, [&](auto... counter) { object(counter...); });
  }
  json += ",\n\"transport\":";
  {
    JsonObject object(&json);
    counted.transport.ForEach([&](auto... counter) { object(counter...); });
  }
  json += ",\n\"transactions\":";
  {
    JsonObject object(&json);
    counted.transaction.ForEach([&](auto... counter) { object(counter...); });
  }
  json += ",\n\"overload\":";
  {
    JsonObject object(&json);
    counted.overload.ForEach([&](auto... counter) { object(counter...); });
  }
  return json + "}\n";
}

}  // namespace sipctl::cli
