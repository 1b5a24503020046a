#include "tests/sipctl/call/call_world.h"

#include "gtest/gtest.h"

namespace sipctl::call {

namespace {

constexpr uint64_t kCookie = 4711;
constexpr uint64_t kSecondNs = 1'000'000'000;

sdp::IpAddress Ip(std::string_view text) {
  return *sdp::ParseIpAddress(text);
}

trunk::Trunk MakeTrunk(const std::string& name, const std::string& host, sip::Protocol protocol,
                       const std::string& media_address) {
  trunk::Trunk trunk;
  trunk.name = name;
  trunk.sources = {{.address = Ip(host), .prefix_length = 128}};
  const bool tcp = protocol == sip::Protocol::kTcp;
  trunk.destinations.resize(1);
  trunk.destinations[0].host = host;
  trunk.destinations[0].transport = tcp ? trunk::Transport::kTcp : trunk::Transport::kUdp;
  trunk.listener = tcp ? sip::SipHost::kTcp : sip::SipHost::kUdp;
  trunk.ring_timeout_ns = 60 * kSecondNs;
  trunk.media_timeout_ns = 30 * kSecondNs;
  trunk.calls_max = 100'000;
  trunk.addresses = {
      {.local = Ip(media_address), .advertise = Ip("203.0.113." + media_address.substr(7))}};
  return trunk;
}

// What stands in a configuration where the trunk's users log in.
void LogsIn(trunk::Config* config, size_t index, const std::string& user) {
  trunk::Trunk& trunk = config->trunks[index];
  trunk.sources.clear();
  trunk.destinations.clear();
  trunk.users.resize(1);
  trunk.users[0].user = user;
  trunk.any_access_listener = true;
  trunk::Listener& listener = config->listeners[trunk.listener];
  listener.role = trunk::Role::kAccess;
  listener.realm = "tandem";
  listener.digest = {trunk::DigestHash::kSha256, trunk::DigestHash::kMd5};
}

std::shared_ptr<trunk::Config> MakeConfig(const WorldOptions& options) {
  auto config = std::make_shared<trunk::Config>();
  config->listeners.resize(2);
  config->listeners[1].transport = trunk::Transport::kTcp;
  for (trunk::Listener& listener : config->listeners) listener.bind.address = Ip("10.0.0.1");
  config->calls_max = 100'000;
  config->user_agent = "Tandem";
  config->trunks.push_back(MakeTrunk("carrier", "10.0.0.2", options.carrier, "10.0.0.1"));
  config->trunks.push_back(MakeTrunk("pbx", "10.0.0.3", options.pbx, "10.0.0.2"));
  trunk::Route to_pbx;
  to_pbx.from = 0;
  to_pbx.prefix = "+91";
  to_pbx.to = 1;
  trunk::Route to_carrier;
  to_carrier.from = 1;
  to_carrier.prefix = "0";
  to_carrier.to = 0;
  to_carrier.strip = 1;
  to_carrier.add = "+";
  config->routes = {to_pbx, to_carrier};
  if (options.pbx_logs_in) LogsIn(config.get(), 1, "pbx1");
  if (options.two_pbxs) {
    trunk::Trunk& pbx = config->trunks[1];
    pbx.destinations.push_back(pbx.destinations[0]);
    pbx.destinations[1].host = "10.0.0.4";
    pbx.sources.push_back({.address = Ip("10.0.0.4"), .prefix_length = 128});
  }
  if (options.logs_in_at_carrier) {
    config->trunks[0].login.emplace();
    config->trunks[0].login->user = "tandem";
    config->trunks[0].login->realm = "phone";
  }
  return config;
}

// sipctl, the carrier, the PBX and another one: the relay is on the machine of the first.
Timers* AddHosts(sip::SipNetwork* network) {
  for (int i = 0; i < 4; ++i) network->AddHost();
  network->host(1)->KeepOwnClock();
  return network->host(1)->timers();
}

}  // namespace

Process::Process(sip::SipNetwork* network, support::FakeRelay* fake_relay,
                 std::shared_ptr<const trunk::Config> config, int life)
    : resolver(network->host(1)->timers()),
      locator(network->host(1)->timers(), &resolver, &context.tokens,
              [this](std::string_view sentence) { notes.OnNotice(sentence); }),
      destinations(*config, network->host(1)->timers(), &locator, &context.tokens),
      limits(*config, 0),
      acl(*config),
      router(config),
      host_(network->host(1)) {
  context.timers = host_->timers();
  context.transport = host_;
  context.journal = &journal;
  context.limits = &limits;
  context.log = &notes;
  context.config = config;
  context.media = *media::MakeMediaTable(*config);
  context.destinations = &destinations;
  context.settings.owner_cookie = kCookie;
  const sip::TokenKey key{.low = 1000 + static_cast<uint64_t>(life), .high = 5};
  context.tokens = sip::Tokens(key);
  table = std::make_unique<CallTable>(&context, &acl, &router);
  sip::TransactionOptions options;
  options.key = {.low = key.low, .high = 6};
  layer = std::make_unique<sip::TransactionLayer>(host_->timers(), host_, table.get(), options);
  context.transactions = layer.get();
  context.registrar = &registrar;
  Accounts accounts;
  for (size_t i = 0; i < config->trunks.size(); ++i) {
    for (const trunk::Login& user : config->trunks[i].users) {
      accounts[user.user] = {.trunk = i, .password = "secret"};
    }
  }
  context.accounts = std::make_shared<const Accounts>(std::move(accounts));
  for (const trunk::Trunk& trunk : config->trunks) {
    context.credentials.push_back(
        trunk.login
            ? std::make_shared<const sip::Credentials>(sip::Credentials{
                  .user = trunk.login->user, .password = "secret", .realm = trunk.login->realm})
            : nullptr);
  }
  DoorkeeperOptions door;
  door.digest.key.fill(static_cast<uint8_t>(life + 1));
  doorkeeper = std::make_unique<Doorkeeper>(&context, host_, std::move(door));
  host_->set_user(doorkeeper.get());
  media::RelayClientOptions client;
  client.owner_cookie = kCookie;
  client.journal_bytes = static_cast<uint32_t>(media::JournalBytes(2000));
  client.first_session = 1 + static_cast<uint64_t>(life) * 1'000'000;
  client.network_sets = context.media.sets;
  relay = std::make_unique<media::RelayClient>(host_->timers(), fake_relay, table.get(), client);
  context.relay = relay.get();
  relay->Start();
}

Process::~Process() {
  host_->set_user(nullptr);
}

World::World(const WorldOptions& options)
    : network(options.seed, options.weather),
      config(MakeConfig(options)),
      fake_relay(AddHosts(&network), options.relay),
      carrier(&network, network.host(2), 2, options.carrier),
      pbx(&network, network.host(3), 3, options.pbx),
      sipctl(std::make_unique<Process>(&network, &fake_relay, config, life_)) {
  Run(10);
}

World::~World() = default;

void World::RestartSipctl() {
  sipctl.reset();
  fake_relay.ForgetClient();
  sipctl = std::make_unique<Process>(&network, &fake_relay, config, ++life_);
}

void World::Establish() {
  carrier.Invite(1, "+911234", CarrierSdp());
  Run(100);
  ASSERT_NE(pbx.Got(sip::Method::kInvite), nullptr);
  pbx.Respond(180);
  Run(50);
  pbx.Respond(200, PbxSdp());
  Run(100);
  ASSERT_EQ(carrier.status(), 200);
  ASSERT_EQ(pbx.acks.size(), 1u);
  ASSERT_EQ(table().size(), 1u);
}

void World::ExpectNothingLeft() {
  EXPECT_EQ(table().size(), 0u);
  EXPECT_TRUE(fake_relay.sessions().empty());
  EXPECT_EQ(sipctl->relay->size(), 0u);
  EXPECT_EQ(sipctl->relay->ports().in_use(), 0u);
  EXPECT_TRUE(sipctl->context.by_transaction.empty());
  EXPECT_TRUE(sipctl->context.by_local_tag.empty());
  EXPECT_EQ(sipctl->limits.calls(), 0u);
  EXPECT_EQ(sipctl->journal.in_use(), 0u);
  Run(40'000);  // 64*T1 and more
  EXPECT_EQ(sipctl->layer->size(), 0u);
  EXPECT_TRUE(sipctl->context.late_acks.empty());
}

}  // namespace sipctl::call
