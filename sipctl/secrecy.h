// What of a process that reads keys and passwords outlives their use: nothing. SRTP keys arrive as
// text in SIP messages, from which a dozen strings are made on the way to the relay; instead of
// looking after each, sipctl overwrites all memory that it gives back: linking this file in gives
// the program an `operator delete` that does so.
#pragma once

namespace sipctl {

// No core file of this process is written from here on, nor fed to a program (core(5)). False: it
// could not be forbidden.
bool RefuseCores();

}  // namespace sipctl
