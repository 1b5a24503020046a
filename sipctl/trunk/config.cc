#include "sipctl/trunk/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "sipctl/text.h"
#include "sipctl/trunk/config_check.h"
#include "sipctl/trunk/config_keys.h"
#include "sipctl/trunk/config_reader.h"

namespace sipctl::trunk {

namespace {

// RFC 3629, but for overlong forms and surrogates, which no editor writes; 0 when all is well.
int FirstLineNotUtf8(std::string_view text) {
  int line = 1;
  size_t following = 0;  // bytes that the present character still needs
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const bool continues = (byte & 0xc0) == 0x80;
    if (continues != (following > 0)) return line;
    if (continues) {
      --following;
    } else if (byte >= 0xf8) {
      return line;
    } else if (byte >= 0xc0) {
      following = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
    }
    if (c == '\n') ++line;
  }
  return following == 0 ? 0 : line;
}

// A secret key is refused by the tables; a secret that was commented out is still in the file.
void ReportSecretsInComments(Reader& reader, std::string_view text) {
  int line = 0;
  for (const std::string_view row : Split(text, '\n')) {
    ++line;
    const size_t hash = row.find('#');
    if (hash == std::string_view::npos) continue;
    std::string comment(row.substr(hash));
    std::transform(comment.begin(), comment.end(), comment.begin(), ToLower);
    for (const std::string_view secret : {"password", "passwd", "secret", "token", "api_key"}) {
      const size_t at = comment.find(secret);
      if (at == std::string::npos) continue;
      const std::string_view rest = Strip(std::string_view(comment).substr(at + secret.size()));
      if (rest.empty() || (rest[0] != ':' && rest[0] != '=')) continue;
      const std::string_view value = Strip(rest.substr(1));
      if (value.empty() || value[0] == '$' || value[0] == '<') continue;
      reader.Warning(
          line, Concat("this comment looks like a secret (", secret, ") in a file that is copied"),
          "it nowhere here");
      break;
    }
  }
}

}  // namespace

bool Sends(const Trunk& trunk, std::string_view method) {
  return std::find(trunk.methods_not_sent.begin(), trunk.methods_not_sent.end(), method) ==
         trunk.methods_not_sent.end();
}

std::string_view TransportName(Transport transport) {
  constexpr std::string_view kNames[] = {"udp", "tcp", "tls"};
  return kNames[static_cast<size_t>(transport)];
}

LoadResult ParseConfig(std::string_view text, std::string file_name) {
  LoadResult result;
  Reader reader(file_name, &result.diagnostics);
  if (text.size() > kConfigBytesMax) {
    reader.Error(
        0, Concat("the file has ", text.size(), " bytes; at most ", kConfigBytesMax, " are read"));
    return result;
  }
  if (const int line = FirstLineNotUtf8(text); line != 0) {
    reader.Error(line, "these bytes are not UTF-8", "the file in UTF-8");
    return result;
  }
  // yaml-cpp throws, on bad YAML and on a value of the wrong kind; nothing passes this function.
  try {
    const YAML::Node node = YAML::Load(std::string(text));
    if (!node.IsDefined() || node.IsNull()) {
      reader.Error(0, "the file is empty", "the example in docs/examples/sipctl.yaml");
      return result;
    }
    DocumentDraft document;
    document.config.file = file_name;
    document.config.source = text;
    ReadDocument(reader, node, &document);
    ReportSecretsInComments(reader, text);
    Config config = Assemble(reader, std::move(document));
    if (!HasError(result.diagnostics)) {
      result.config = std::make_shared<const Config>(std::move(config));
    }
  } catch (const YAML::Exception& error) {
    reader.Error(error.mark.is_null() ? 0 : error.mark.line + 1,
                 Concat("this is not YAML: ", error.msg));
  }
  std::stable_sort(result.diagnostics.begin(), result.diagnostics.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.line < b.line; });
  return result;
}

LoadResult LoadConfig(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  // Of a directory the open succeeds and the read fails.
  if (!file || !(text << file.rdbuf())) {
    LoadResult result;
    result.diagnostics.push_back({Severity::kError, path, 0, "the file cannot be read", ""});
    return result;
  }
  return ParseConfig(text.str(), path);
}

}  // namespace sipctl::trunk
