// The strict half of description.h.
#include <algorithm>
#include <utility>

#include "sipctl/sdp/description.h"
#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

// RFC 8866 section 9. r= belongs to the t= before it, so both have one rank.
constexpr std::string_view kSessionOrder = "vosiuepcbtzka";
constexpr std::string_view kMediaOrder = "icbka";

// Lines in the order of the RFC; a line that the RFC does not know stays behind the one it
// followed.
std::vector<const Line*> Sorted(const std::vector<Line>& lines, std::string_view order) {
  std::vector<std::pair<size_t, const Line*>> ranked;
  size_t rank = 0;
  for (const Line& line : lines) {
    const size_t known = order.find(line.type == 'r' ? 't' : line.type);
    if (known != std::string_view::npos) rank = known;
    ranked.emplace_back(rank, &line);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const Line*> sorted;
  for (const auto& entry : ranked) sorted.push_back(entry.second);
  return sorted;
}

void Append(const std::vector<const Line*>& lines, std::string* body) {
  for (const Line* line : lines) {
    body->append(Concat(line->type, "=", line->value, "\r\n"));
  }
}

bool Has(const std::vector<Line>& lines, char type) {
  return std::any_of(lines.begin(), lines.end(),
                     [type](const Line& line) { return line.type == type; });
}

}  // namespace

std::string Write(const Description& description) {
  std::vector<Line> session = description.lines;
  // Required lines that the reader forgave (RFC 8866 sections 5.3 and 5.9), set where they belong.
  const auto insert_after = [&session](std::string_view predecessors, Line line) {
    auto at = session.begin();
    for (auto i = session.begin(); i != session.end(); ++i) {
      if (predecessors.find(i->type) != std::string_view::npos) at = i + 1;
    }
    session.insert(at, std::move(line));
  };
  for (Line& line : session) {
    if (line.type == 's' && line.value.empty()) line.value.assign(1, '-');
  }
  if (!Has(session, 's')) insert_after("vo", Line{'s', "-"});
  if (!Has(session, 't')) insert_after("vosiuepcb", Line{'t', "0 0"});

  std::string body;
  Append(Sorted(session, kSessionOrder), &body);
  for (const Media& media : description.media) {
    const std::string count = media.port_count == 1 ? "" : Concat("/", media.port_count);
    body.append(Concat("m=", media.kind, " ", media.port, count, " ", media.protocol, " ",
                       Join(media.formats, " "), "\r\n"));
    Append(Sorted(media.lines, kMediaOrder), &body);
  }
  return body;
}

}  // namespace sipctl::sdp
