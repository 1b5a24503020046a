#include "sipctl/sip/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <sys/time.h>

#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sipctl::sip {
namespace {

constexpr int kTimeoutMs = 1500;  // of the first attempt at a server
constexpr int kTries = 3;
constexpr uint32_t kFileSeconds = 60;  // until /etc/hosts is read again

bool LibraryReady() {
  static const bool kReady = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
  return kReady;
}

}  // namespace

// One c-ares channel and what the loop watches for it.
struct AresResolver::Channel {
  Channel(Loop* l, std::weak_ptr<bool> a) : loop(l), alive(std::move(a)) {}
  ~Channel() {
    loop->timers().Cancel(&timer);
    if (ares != nullptr) ares_destroy(ares);  // each question is told; the sockets are unwatched
  }

  struct Question {
    Channel* channel;
    DnsType type;
    Answered answered;
  };

  static void OnSocket(void* data, ares_socket_t fd, int readable, int writable) {
    auto* self = static_cast<Channel*>(data);
    const uint32_t events =
        (readable ? uint32_t{EPOLLIN} : 0) | (writable ? uint32_t{EPOLLOUT} : 0);
    if (events == 0) {
      if (self->watched.erase(fd) > 0) self->loop->Unwatch(fd);
    } else if (self->watched.insert(fd).second) {
      self->loop->Watch(fd, events, [self, fd](uint32_t ready) { self->Process(fd, ready); });
    } else {
      self->loop->Modify(fd, events);
    }
  }

  static void OnAnswer(void* data, int status, int, unsigned char* reply, int size) {
    const std::unique_ptr<Question> question(static_cast<Question*>(data));
    DnsAnswer answer;
    if (reply != nullptr && size > 0) {
      answer = ReadDnsReply({reinterpret_cast<const char*>(reply), static_cast<size_t>(size)},
                            question->type);
    } else if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
      answer.outcome = DnsAnswer::Outcome::kNothing;
    }
    question->channel->Tell(std::move(answer), std::move(question->answered));
  }

  // Later: c-ares may be in the middle of a call of ours.
  void Tell(DnsAnswer answer, Answered answered) {
    loop->Defer([whose = alive, answer = std::move(answer), answered = std::move(answered)] {
      if (!whose.expired()) answered(answer);
    });
  }

  // What /etc/hosts says of a name; nothing where it does not know it.
  std::optional<DnsAnswer> AskFile(const std::string& name, DnsType type) {
    // A service is asked for as _sip._udp.NAME.
    const size_t host = type == DnsType::kSrv ? name.find('.', name.find('.') + 1) + 1 : 0;
    std::optional<DnsAnswer> answer;
    for (const int family : {AF_INET, AF_INET6}) {
      hostent* found = nullptr;
      if (ares_gethostbyname_file(ares, name.c_str() + host, family, &found) != ARES_SUCCESS) {
        continue;
      }
      if (!answer) {
        answer.emplace();
        answer->outcome = DnsAnswer::Outcome::kNothing;
        answer->ttl_s = kFileSeconds;
      }
      if (type == (family == AF_INET ? DnsType::kA : DnsType::kAaaa)) {
        for (char** each = found->h_addr_list; *each != nullptr; ++each) {
          answer->outcome = DnsAnswer::Outcome::kFound;
          answer->addresses.push_back(
              AddressOfBytes({*each, static_cast<size_t>(found->h_length)}));
        }
      }
      ares_free_hostent(found);
    }
    return answer;
  }

  void Process(ares_socket_t fd, uint32_t ready) {
    const bool in = (ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
    const bool out = (ready & EPOLLOUT) != 0;
    ares_process_fd(ares, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
    SetTimer();
  }

  void SetTimer() {
    loop->timers().Cancel(&timer);
    timeval left{};
    if (ares_timeout(ares, nullptr, &left) == nullptr) return;
    const TimeMs delay = static_cast<TimeMs>(left.tv_sec) * kSecondMs + left.tv_usec / 1000 + 1;
    timer = loop->timers().After(delay, [this] {
      timer = 0;
      Process(ARES_SOCKET_BAD, 0);
    });
  }

  Loop* const loop;
  ares_channel ares = nullptr;
  Timers::Id timer = 0;
  absl::flat_hash_set<ares_socket_t> watched;
  const std::weak_ptr<bool> alive;  // the resolver
};

AresResolver::AresResolver(Loop* loop, std::string servers)
    : loop_(loop), servers_(std::move(servers)) {}

AresResolver::~AresResolver() {
  alive_.reset();
}

absl::StatusOr<std::unique_ptr<AresResolver>> AresResolver::Create(Loop* loop,
                                                                   std::string servers) {
  std::unique_ptr<AresResolver> resolver(new AresResolver(loop, std::move(servers)));
  if (absl::Status ready = resolver->Reload(); !ready.ok()) return ready;
  return resolver;
}

absl::Status AresResolver::Reload() {
  if (!LibraryReady()) return absl::InternalError("c-ares cannot be started");
  auto channel = std::make_unique<Channel>(loop_, alive_);
  ares_options options{};
  options.sock_state_cb = Channel::OnSocket;
  options.sock_state_cb_data = channel.get();
  options.timeout = kTimeoutMs;
  options.tries = kTries;
  const int status = ares_init_options(
      &channel->ares, &options, ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  if (status != ARES_SUCCESS) {
    channel->ares = nullptr;
    return absl::InternalError(absl::StrCat("no resolver: ", ares_strerror(status)));
  }
  if (!servers_.empty()) {
    const int set = ares_set_servers_ports_csv(channel->ares, servers_.c_str());
    if (set != ARES_SUCCESS) {
      return absl::InvalidArgumentError(
          absl::StrCat("name servers ", servers_, ": ", ares_strerror(set)));
    }
  }
  channel_ = std::move(channel);
  return absl::OkStatus();
}

void AresResolver::Ask(const std::string& name, DnsType type, Answered answered) {
  if (auto known = channel_->AskFile(name, type)) {
    return channel_->Tell(*std::move(known), std::move(answered));
  }
  auto question = std::make_unique<Channel::Question>(
      Channel::Question{channel_.get(), type, std::move(answered)});
  ares_query(channel_->ares, name.c_str(), ns_c_in, static_cast<int>(type), Channel::OnAnswer,
             question.release());
  channel_->SetTimer();
}

}  // namespace sipctl::sip
