#!/usr/bin/python3
"""embed.py OUTPUT PROFILE...: the profiles as text in a C++ source; the program stays one file."""

import os
import sys

with open(sys.argv[1], "w", encoding="utf-8") as out:
    out.write('#include "sipctl/trunk/profile.h"\n\nnamespace sipctl::trunk {\n\n'
              "std::span<const ProfileText> ProfileTexts() {\n"
              "  static constexpr ProfileText kTexts[] = {\n")
    for path in sys.argv[2:]:
        with open(path, encoding="ascii") as profile:
            out.write(f'      {{"{os.path.basename(path)}", R"yaml({profile.read()})yaml"}},\n')
    out.write("  };\n  return kTexts;\n}\n\n}  // namespace sipctl::trunk\n")
