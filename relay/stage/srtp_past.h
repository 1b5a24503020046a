// What a leg remembers of keys that it gave up (session::SrtpPast). A key that returns is known by
// its print, and goes on where it was.
//
// Worker thread.
#pragma once

#include "relay/abi/srtp.h"
#include "relay/session/srtp.h"

namespace relay::stage {

// How far the far party's streams have come under each of the receiver's keys: the four streams
// that were heard last, of the last seven in all.
void RememberReceiver(const session::SrtpReceiver& receiver, session::SrtpPast* past);
// Into a receiver in which the key is new: what it once protected counts as seen.
void RecallKey(const session::SrtpPast& past, const abi::SrtpKey& key,
               session::SrtpReceiver* receiver);

// The key, and how far the stream under it has come.
void RememberSender(const session::SrtpSender& send, session::SrtpPast* past);
// Whether the leg has sent under this key before: the last eight are remembered.
bool IsSpent(const session::SrtpPast& past, const abi::SrtpKey& key);

}  // namespace relay::stage
