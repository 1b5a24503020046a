// Reads YAML values with a line for every complaint. Keys stand in tables (config_keys.cc), so that
// what is read, what is refused as unknown and what the manual says are the same list.
#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sipctl/sdp/address.h"
#include "sipctl/sdp/format.h"
#include "sipctl/text.h"
#include "sipctl/trunk/config.h"
#include "sipctl/trunk/diagnostic.h"

namespace sipctl::trunk {

// What the manual says of a key.
struct Key {
  std::string_view name;
  std::string_view value;    // its form: "duration", "list of networks or any"
  std::string_view preset;   // what holds without it; "required" when there is nothing
  std::string_view meaning;  // a sentence
};

inline constexpr std::string_view kRequired = "required";

class Reader;

template <typename Draft>
struct Field {
  Key key;
  void (*read)(Reader& reader, const YAML::Node& node, Draft* draft);
};

// A table of fields, as a parameter from which `Draft` is not deduced.
template <typename Draft>
using Fields = std::span<const Field<std::type_identity_t<Draft>>>;

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

class Reader {
 public:
  Reader(std::string file, std::vector<Diagnostic>* diagnostics)
      : file_(std::move(file)), diagnostics_(diagnostics) {}

  void Error(int line, std::string message, std::string instead = "");
  void Warning(int line, std::string message, std::string instead = "");
  void Report(Diagnostic diagnostic);
  const std::string& file() const { return file_; }
  size_t errors() const { return errors_; }
  // Line of a node, from 1.
  static int LineOf(const YAML::Node& node) { return node.Mark().line + 1; }

  // Reads a mapping by its table. `what` names it in messages: "trunk", "route".
  template <typename Draft>
  void ReadMap(const YAML::Node& node, std::string_view what, Fields<Draft> fields, Draft* draft) {
    if (!node.IsMap()) {
      Error(LineOf(node), Concat("the ", what, " must be a mapping"), "key: value");
      return;
    }
    std::vector<std::string> seen;
    for (const auto& entry : node) {
      const Field<Draft>* field = nullptr;
      const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
      for (const Field<Draft>& candidate : fields) {
        if (candidate.key.name == name) field = &candidate;
      }
      if (field == nullptr) {
        Unknown(LineOf(entry.first), name, what, Names(fields));
      } else if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
        Error(LineOf(entry.first), Concat("the key '", name, "' stands twice in the ", what),
              "it once");
      } else {
        seen.push_back(name);
        field->read(*this, entry.second, draft);
      }
    }
    for (const Field<Draft>& field : fields) {
      const std::string name(field.key.name);
      if (field.key.preset == kRequired &&
          std::find(seen.begin(), seen.end(), name) == seen.end()) {
        Error(LineOf(node), Concat("the ", what, " has no '", name, "'"),
              Concat(name, ": ", field.key.value));
      }
    }
  }

  template <typename Draft>
  void ReadList(const YAML::Node& node, std::string_view what, Fields<Draft> fields,
                std::vector<Draft>* drafts) {
    for (const YAML::Node& item : Items(node, Concat("list of ", what, "s"))) {
      Draft draft;
      draft.line = LineOf(item);
      ReadMap(item, what, fields, &draft);
      drafts->push_back(std::move(draft));
    }
  }

  // Each returns nothing after an error of its own.
  std::optional<std::string> Text(const YAML::Node& node, std::string_view what);
  // Letters, digits, '-', '_', '.'; at most 32.
  std::optional<std::string> Name(const YAML::Node& node);
  // The user part of a SIP URI that needs no escapes.
  std::optional<std::string> User(const YAML::Node& node);
  // A DNS name or an address, as it may stand in a SIP URI.
  std::optional<std::string> Host(const YAML::Node& node);
  std::optional<std::string> Path(const YAML::Node& node);
  // What a called number consists of: digits, '+', '*', '#'; may be empty.
  std::optional<std::string> Dialled(const YAML::Node& node);
  std::optional<bool> Bool(const YAML::Node& node);
  std::optional<uint32_t> Number(const YAML::Node& node, uint32_t low, uint32_t high);
  // "500ms", "30s", "5m", "4h" into nanoseconds; bounds in seconds. "off" is 0 where allowed.
  std::optional<uint64_t> Duration(const YAML::Node& node, uint64_t low_s, uint64_t high_s,
                                   bool off_allowed);
  std::optional<HostPort> HostAndPort(const YAML::Node& node, uint16_t port_preset);
  std::optional<sdp::IpAddress> Address(const YAML::Node& node);
  std::optional<sdp::IpNetwork> Network(const YAML::Node& node);
  // A sequence of networks; with `any_allowed` also the word any, which is the empty list.
  std::optional<std::vector<sdp::IpNetwork>> Networks(const YAML::Node& node, bool any_allowed);
  // One of `words`; its position.
  std::optional<size_t> Choice(const YAML::Node& node, const std::vector<std::string>& words);

  // A list of UPDATE and PRACK, the methods that a call can do without.
  std::vector<std::string> Methods(const YAML::Node& node);

  // The entries of a sequence; an error and nothing for anything else.
  std::vector<YAML::Node> Items(const YAML::Node& node, std::string_view what);

 private:
  template <typename Draft>
  static std::vector<std::string> Names(std::span<const Field<Draft>> fields) {
    std::vector<std::string> names;
    for (const Field<Draft>& field : fields) names.emplace_back(field.key.name);
    return names;
  }
  void Unknown(int line, const std::string& name, std::string_view what,
               const std::vector<std::string>& known);

  std::string file_;
  std::vector<Diagnostic>* diagnostics_;
  size_t errors_ = 0;
};

}  // namespace sipctl::trunk
