"""Sends the calls of a load to a mock: load.py CLIENT MODEL ARRIVALS

The client finds the mock by its environment variables. ARRIVALS are the instants of the calls in seconds, comma-separated. Each
call is made by a thread of its own with the client's default settings. Makes a call that the mock rejects, prints `ready`, waits for
a line on stdin, and prints `{"served": N, "seconds": S}` when every call has ended.
"""

import json
import sys
import threading
import time

from clients import CLIENTS

UNKNOWN_MODEL = "no-such-model"


def main():
    name, model, arrivals = sys.argv[1:]
    client = CLIENTS[name].build(model)
    served, ends = [], []

    def job(at):
        time.sleep(max(0, start + at - time.monotonic()))
        try:
            client.ask()
            served.append(at)
        except Exception:  # Every client has exceptions of its own for a job that is given up.
            pass
        ends.append(time.monotonic() - start)

    # The first call of a process imports modules, for two seconds in litellm, and all calls until then would be made at once.
    try:
        CLIENTS[name].build(UNKNOWN_MODEL).ask()
    except Exception:  # A 404, of which every client has an exception of its own.
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.monotonic()
    threads = [threading.Thread(target=job, args=[float(at)]) for at in arrivals.split(",")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"served": len(served), "seconds": max(ends)}))


if __name__ == "__main__":
    main()
