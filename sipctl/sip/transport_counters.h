// What the transport did and what it dropped: a name and a sentence for each.
#pragma once

#include "sipctl/counters.h"

namespace sipctl::sip {

// X(name, sentence)
#define SIPCTL_TRANSPORT_COUNTERS(X)                                                            \
  X(messages_in, "messages understood and handed up")                                           \
  X(messages_out, "messages given to a socket or its queue")                                    \
  X(bytes_in, "bytes read from permitted sources")                                              \
  X(bytes_out, "bytes of messages sent")                                                        \
  X(stranger_datagrams, "datagrams from outside the access list, dropped")                      \
  X(stranger_connections, "connections from outside the access list, reset")                    \
  X(source_limit, "connections refused: too many from that source")                             \
  X(connection_limit, "connections refused: too many altogether")                               \
  X(strangers_closed, "connections to access listeners closed: nobody has logged in")           \
  X(strangers_cut, "connections to access listeners closed: too many messages before a login")  \
  X(malformed_answered, "malformed requests answered, mostly with 400")                         \
  X(malformed_dropped, "malformed messages that could not be answered")                         \
  X(refused_retired, "new requests refused on connections of older TLS rules")                  \
  X(broken_streams, "connections closed: the next message cannot be found")                     \
  X(unfinished_messages, "connections closed: a message was not finished")                      \
  X(accepted, "connections accepted")                                                           \
  X(opened, "connections opened by us")                                                         \
  X(closed, "connections that ended, whoever ended them")                                       \
  X(connect_failures, "connections that could not be opened, or not in time")                   \
  X(handshakes, "TLS hand-shakes done")                                                         \
  X(handshake_failures, "TLS hand-shakes that failed or were not done in time")                 \
  X(accept_failures, "accept failed: descriptors or memory are short")                          \
  X(broken_flows, "connections lost with something on the way")                                 \
  X(kernel_drops, "datagrams the kernel dropped: a stranger's, or its receive buffer was full") \
  X(datagram_queue_full, "datagrams lost: the socket's queue is full")                          \
  X(datagrams_not_taken, "datagrams lost: the kernel took them not, but may next")              \
  X(stream_queue_full, "messages refused: the connection's queue is full")                      \
  X(datagram_send_failures, "datagrams that the kernel refused to send")                        \
  X(pings_in, "keep-alive pings answered")                                                      \
  X(pongs_missed, "connections closed: pings were answered before, and no longer")              \
  X(pings_out, "keep-alive pings sent on idle connections")

struct TransportCounters {
  SIPCTL_COUNTERS_OF(SIPCTL_TRANSPORT_COUNTERS)
};

}  // namespace sipctl::sip
