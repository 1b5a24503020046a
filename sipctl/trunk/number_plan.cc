#include "sipctl/trunk/number_plan.h"

#include <algorithm>

#include "sipctl/text.h"
#include "sipctl/trunk/number.h"

namespace sipctl::trunk {
namespace {

bool IsNumber(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsDigit);
}

}  // namespace

std::string ToE164(const NumberPlan& plan, std::string_view number) {
  std::string digits;
  for (const char c : number) {
    if (c != '-' && c != '.' && c != '(' && c != ')' && c != ' ') digits += c;
  }
  if (plan.country.empty() || IsE164(digits) || !IsNumber(digits)) {
    return IsE164(digits) ? digits : std::string(number);
  }
  const auto national = [&](size_t skip) {
    return digits.size() == skip + plan.digits && digits[skip] != '0';
  };
  std::string made;
  if (digits.starts_with("00")) {
    made = Concat("+", digits.substr(2));
  } else if (digits.starts_with("0") && national(1)) {
    made = Concat("+", plan.country, digits.substr(1));
  } else if (digits.starts_with(plan.country) && national(plan.country.size())) {
    made = Concat("+", digits);
  } else if (national(0)) {
    made = Concat("+", plan.country, digits);
  }
  return IsE164(made) ? made : std::string(number);
}

std::string FromE164(const NumberPlan& plan, NumberForm form, std::string_view number) {
  if (!IsE164(number)) return std::string(number);
  const std::string_view digits = number.substr(1);
  const bool inside = !plan.country.empty() && digits.starts_with(plan.country);
  switch (form) {
    case NumberForm::kAsRouted:
    case NumberForm::kE164:
      break;
    case NumberForm::kPlain:
      return std::string(digits);
    case NumberForm::kNational:
      if (inside) return Concat("0", digits.substr(plan.country.size()));
      return Concat("00", digits);
    case NumberForm::kInternational:
      return Concat("00", digits);
  }
  return std::string(number);
}

}  // namespace sipctl::trunk
