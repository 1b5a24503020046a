#include "sipctl/trunk/config_diff.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>

#include "sipctl/text.h"
#include "sipctl/trunk/diagnostic.h"

namespace sipctl::trunk {
namespace {

constexpr int kDepthMax = 8;  // deeper than any configuration; an alias may lead in a circle

std::string TextOf(const YAML::Node& node, int depth = 0) {
  if (depth > kDepthMax) return "...";
  if (node.IsScalar()) return node.Scalar().empty() ? "\"\"" : node.Scalar();
  std::vector<std::string> parts;
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) parts.push_back(TextOf(item, depth + 1));
    return Concat("[", Join(parts, ", "), "]");
  }
  if (!node.IsMap()) return "nothing";
  for (const auto& entry : node) {
    parts.push_back(Concat(TextOf(entry.first, depth + 1), ": ", TextOf(entry.second, depth + 1)));
  }
  std::sort(parts.begin(), parts.end());  // the order of keys means nothing
  return Concat("{", Join(parts, ", "), "}");
}

std::string ScalarAt(const YAML::Node& node, const char* key) {
  const YAML::Node value = node[key];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : std::string();
}

// What tells an entry of a list from its neighbours: a name, an address, or what a route takes.
std::string IdentityOf(const YAML::Node& item) {
  for (const char* key : {"name", "local"}) {
    if (std::string identity = ScalarAt(item, key); !identity.empty()) return identity;
  }
  // A route has a user, too, but no password.
  if (item["password_file"].IsDefined() || item["password_environment"].IsDefined()) {
    if (std::string identity = ScalarAt(item, "user"); !identity.empty()) return identity;
  }
  std::vector<std::string> parts;
  for (const char* key : {"from", "source", "numbers", "prefix"}) {
    const YAML::Node value = item[key];
    if (value.IsDefined()) parts.push_back(Concat(key, " ", TextOf(value)));
  }
  return parts.empty() ? "of every call" : Join(parts, " ");
}

// "trunks" -> "trunk"
std::string Singular(const std::string& key) {
  if (key.ends_with("addresses")) return key.substr(0, key.size() - 2);
  return key.ends_with('s') ? key.substr(0, key.size() - 1) : key;
}

bool IsListOfMaps(const YAML::Node& node) {
  return node.IsSequence() && node.size() > 0 &&
         std::all_of(node.begin(), node.end(), [](const YAML::Node& item) { return item.IsMap(); });
}

class Comparison {
 public:
  void Maps(const std::string& where, const YAML::Node& before, const YAML::Node& after,
            int depth) {
    for (const auto& entry : before) {
      const std::string key = entry.first.Scalar();
      const YAML::Node other = after[key];
      Values(where, key, entry.second, other.IsDefined() ? other : YAML::Node(), depth);
    }
    for (const auto& entry : after) {
      const std::string key = entry.first.Scalar();
      if (!before[key].IsDefined()) Values(where, key, YAML::Node(), entry.second, depth);
    }
  }

  std::vector<Change> changes() { return std::move(changes_); }

 private:
  // A null node stands for nothing.
  void Values(const std::string& where, const std::string& key, const YAML::Node& before,
              const YAML::Node& after, int depth) {
    const std::string here = where.empty() ? key : Concat(where, ": ", key);
    if (depth > kDepthMax) return;
    if (before.IsMap() && after.IsMap()) return Maps(here, before, after, depth + 1);
    if (IsListOfMaps(before) && IsListOfMaps(after)) {
      const std::string item = Singular(key);
      return Lists(where.empty() ? item : Concat(where, ": ", item), before, after, depth);
    }
    Note(here, before, after);
  }

  void Lists(const std::string& where, const YAML::Node& before, const YAML::Node& after,
             int depth) {
    for (const YAML::Node& item : before) {
      const std::string identity = IdentityOf(item);
      const YAML::Node* found = nullptr;
      std::vector<YAML::Node> others(after.begin(), after.end());
      for (const YAML::Node& other : others) {
        if (IdentityOf(other) == identity) found = &other;
      }
      const std::string here = Concat(where, " ", identity);
      if (found == nullptr) {
        Note(here, item, YAML::Node());
      } else {
        Maps(here, item, *found, depth + 1);
      }
    }
    for (const YAML::Node& item : after) {
      const std::string identity = IdentityOf(item);
      const bool known = std::any_of(before.begin(), before.end(), [&](const YAML::Node& other) {
        return IdentityOf(other) == identity;
      });
      if (!known) Note(Concat(where, " ", identity), YAML::Node(), item);
    }
  }

  void Note(const std::string& where, const YAML::Node& before, const YAML::Node& after) {
    const std::string old_text = before.IsNull() ? "" : TextOf(before);
    const std::string new_text = after.IsNull() ? "" : TextOf(after);
    if (old_text == new_text) return;
    changes_.push_back({where, old_text, new_text, after.IsNull() ? 0 : after.Mark().line + 1});
  }

  std::vector<Change> changes_;
};

}  // namespace

std::vector<Change> DiffConfigs(std::string_view before, std::string_view after) {
  Comparison comparison;
  // yaml-cpp throws; nothing passes this function.
  try {
    comparison.Maps("", YAML::Load(std::string(before)), YAML::Load(std::string(after)), 0);
  } catch (const YAML::Exception&) {
    return {{"the whole", "a configuration", "something else", 1}};
  }
  return comparison.changes();
}

std::string FormatChange(const Change& change) {
  const std::string line = change.line > 0 ? Concat(" (line ", change.line, ")") : "";
  if (change.before.empty()) return AsciiSafe(Concat(change.where, ": new: ", change.after, line));
  if (change.after.empty()) return AsciiSafe(Concat(change.where, ": gone: ", change.before));
  return AsciiSafe(Concat(change.where, ": ", change.before, " -> ", change.after, line));
}

}  // namespace sipctl::trunk
