"""Opens N calls in an rtpengine and writes loadgen's list of them. A program of its own, so that it
can be run inside a namespace:

    ng_calls.py RTPENGINE_ADDRESS NG_PORT FAR_ADDRESS FIRST_PORT SOCKETS CALLS FILE MODE
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from rig.rtpengine import Client  # noqa: E402


def main(address, port_ng, far, first, sockets, calls, path, mode):
    client = Client(address, int(port_ng))
    first, sockets = int(first), int(sockets)
    with open(path, "w", encoding="utf-8") as out:
        for call in range(int(calls)):
            # The same far endpoints as bench/loadgen/pump.cc binds: even ports, side A then B.
            a = first + 2 * (call % sockets)
            b = first + 2 * (sockets + call % sockets)
            (near_a, near_b), keys = client.open_call(f"call-{os.getpid()}-{call}", far, a, b,
                                                      mode)
            if call == 0:
                print("keys", *keys, file=out)
            print(address, near_a, near_b, file=out)
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
