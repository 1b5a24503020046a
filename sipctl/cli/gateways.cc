#include "sipctl/cli/gateways.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "sipctl/text.h"
#include "sipctl/trunk/profile.h"

namespace sipctl::cli {
namespace {

using trunk::Diagnostic;
using trunk::Gateway;
using trunk::Severity;

constexpr size_t kFileBytesMax = 1 << 20;
enum Column : size_t { kAddress, kPort, kProtocol, kInbound, kOutbound, kColumns };
using Row = std::array<std::string, kColumns>;

std::optional<size_t> ColumnOf(std::string_view name) {
  const std::pair<std::string_view, size_t> kNames[] = {
      {"address", kAddress},    {"ipv4", kAddress},    {"ip", kAddress},
      {"host", kAddress},       {"port", kPort},       {"protocol", kProtocol},
      {"transport", kProtocol}, {"inbound", kInbound}, {"outbound", kOutbound}};
  for (const auto& [known, column] : kNames) {
    if (EqualsIgnoreCase(known, name)) return column;
  }
  return std::nullopt;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), ToLower);
  return lower;
}

class TableReader {
 public:
  TableReader(const std::string& file, std::vector<Diagnostic>* diagnostics)
      : file_(file), diagnostics_(diagnostics) {}

  void Error(int line, std::string message, std::string instead) {
    diagnostics_->push_back(
        {Severity::kError, file_, line, std::move(message), std::move(instead), ""});
  }

  bool Flag(const Row& row, size_t column, int line) {
    const std::string word = Lower(row[column]);
    if (word == "true" || word == "1" || word == "yes") return true;
    if (word != "false" && word != "0" && word != "no" && !word.empty()) {
      Error(line, Concat("'", row[column], "' is neither true nor false"), "true or false");
    }
    return false;
  }

  void Add(const Row& row, int line) {
    Gateway gateway;
    gateway.line = line;
    gateway.host = row[kAddress];
    gateway.transport = Lower(row[kProtocol]);
    if (gateway.host.empty()) {
      Error(line, "the gateway has no address", "its address or name");
      return;
    }
    std::string ignored;
    gateway.network = sdp::ParseIpNetwork(gateway.host, &ignored);
    const size_t slash = gateway.transport.find('/');  // jambonz writes tls/srtp
    gateway.transport = gateway.transport.substr(0, slash);
    if (gateway.transport != "udp" && gateway.transport != "tcp" && gateway.transport != "tls") {
      Error(line, Concat("'", row[kProtocol], "' is no protocol of SIP"), "udp, tcp or tls");
      return;
    }
    const std::optional<uint16_t> port = row[kPort].empty() ? 0 : ParseNumber<uint16_t>(row[kPort]);
    if (!port.has_value()) {
      Error(line, Concat("'", row[kPort], "' is no port"), "a number from 1 to 65535");
      return;
    }
    gateway.port = *port;
    gateway.inbound = Flag(row, kInbound, line);
    gateway.outbound = Flag(row, kOutbound, line);
    gateways_.push_back(std::move(gateway));
  }

  void ReadCsv(std::string_view text) {
    std::vector<std::optional<size_t>> columns;
    int line = 0;
    for (const std::string_view row_text : Split(text, '\n')) {
      ++line;
      if (Strip(row_text).empty()) continue;
      const std::vector<std::string_view> cells = Split(row_text, ',');
      if (columns.empty()) {
        for (const std::string_view cell : cells) columns.push_back(ColumnOf(Unquoted(cell)));
        if (!Has(columns, kAddress) || !Has(columns, kProtocol)) {
          Error(line, "the first line must name the columns",
                "address,port,protocol,inbound,outbound");
          return;
        }
        continue;
      }
      Row row;
      for (size_t i = 0; i < std::min(cells.size(), columns.size()); ++i) {
        if (columns[i].has_value()) row[*columns[i]] = Unquoted(cells[i]);
      }
      Add(row, line);
    }
    if (columns.empty()) Error(0, "the file is empty", "address,port,protocol,inbound,outbound");
  }

  void ReadJson(std::string_view text) {
    nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) {
      for (const nlohmann::json& member : nlohmann::json(json)) {
        if (member.is_array()) {
          json = member;
          break;
        }
      }
    }
    if (!json.is_array()) {
      Error(0, "this is no JSON list of gateways",
            R"([{"address": "192.0.2.1", "port": 5070, "protocol": "tcp", "inbound": true}])");
      return;
    }
    int position = 0;
    for (const nlohmann::json& item : json) {
      ++position;
      Row row;
      if (item.is_object()) {
        for (const auto& [name, value] : item.items()) {
          const std::optional<size_t> column = ColumnOf(name);
          if (!column.has_value() || value.is_null()) continue;
          row[*column] =
              value.is_string() ? std::string(Strip(value.get<std::string>())) : value.dump();
        }
      }
      Add(row, position);
    }
  }

  std::vector<Gateway> gateways() { return std::move(gateways_); }

 private:
  static bool Has(const std::vector<std::optional<size_t>>& columns, size_t column) {
    return std::find(columns.begin(), columns.end(), column) != columns.end();
  }
  static std::string Unquoted(std::string_view cell) {
    cell = Strip(cell);
    if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"') {
      cell = cell.substr(1, cell.size() - 2);
    }
    return std::string(Strip(cell));
  }

  const std::string& file_;
  std::vector<Diagnostic>* diagnostics_;
  std::vector<Gateway> gateways_;
};

}  // namespace

std::vector<Gateway> ReadGateways(std::string_view text, const std::string& file,
                                  std::vector<Diagnostic>* diagnostics) {
  TableReader reader(file, diagnostics);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
  const std::string_view begin = Strip(text);
  if (text.size() > kFileBytesMax) {
    reader.Error(0, Concat("the file has more than ", kFileBytesMax, " bytes"), "");
  } else if (begin.starts_with('[') || begin.starts_with('{')) {
    reader.ReadJson(begin);
  } else {
    reader.ReadCsv(text);
  }
  return reader.gateways();
}

std::vector<Diagnostic> CheckGatewayFile(const std::string& path, const std::string& profile) {
  std::vector<Diagnostic> diagnostics;
  const trunk::Profile* known = trunk::FindProfile(profile);
  if (known == nullptr) {
    diagnostics.push_back({Severity::kError, path, 0, Concat("there is no profile '", profile, "'"),
                           Concat("one of ", Join(trunk::ProfileNames(), ", ")), ""});
    return diagnostics;
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  // Of a directory the open succeeds and the read fails.
  if (!file || !(text << file.rdbuf())) {
    diagnostics.push_back({Severity::kError, path, 0, "the file cannot be read", "", ""});
    return diagnostics;
  }
  const std::vector<Gateway> gateways = ReadGateways(text.str(), path, &diagnostics);
  if (trunk::HasError(diagnostics)) return diagnostics;
  return trunk::CheckGateways(*known, gateways, {}, path);
}

}  // namespace sipctl::cli
