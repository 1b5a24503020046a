// The certificates of certificates.sh, made once in a life of the test program.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace sipctl::support {

class Certificates {
 public:
  // `script`: the path of certificates.sh.
  explicit Certificates(const char* script)
      : folder_(std::filesystem::temp_directory_path() / "certificates-XXXXXX") {
    if (mkdtemp(folder_.data()) == nullptr) std::abort();
    const std::string command = std::string(script) + " " + folder_;
    if (std::system(command.c_str()) != 0) std::abort();
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  std::string operator()(const std::string& file) const { return folder_ + "/" + file; }

 private:
  std::string folder_;
};

}  // namespace sipctl::support
