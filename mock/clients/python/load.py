"""Calls a mock as a load says: load.py CLIENT ADDRESS KEY ARRIVALS

ARRIVALS are the instants of the calls in seconds, comma-separated. Each call is made by a thread of its own with the client's
default settings. Prints `ready`, waits for a line on stdin, and prints `{"served": N, "seconds": S}` when every call has ended.
"""

import json
import random
import sys
import threading
import time
import urllib.error
import urllib.request

from ask import deployment
from wire import MODEL, QUESTION


def article(address, key):
    """The function that articles on rate limits print. It is `like: article` in a scenario."""

    def post():
        body = json.dumps({"model": MODEL, "messages": QUESTION}).encode()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        return urllib.request.urlopen(urllib.request.Request(f"{address}/openai/v1/chat/completions", body, headers))

    def call(max_retries=5):
        for attempt in range(max_retries + 1):
            try:
                return post()
            except urllib.error.HTTPError as error:
                if error.code != 429 or attempt == max_retries:
                    raise
                retry_after = error.headers.get("retry-after")
                if retry_after:
                    wait = float(retry_after) + random.uniform(0, 0.5)
                else:
                    wait = random.uniform(0, min(30, 2**attempt))
                time.sleep(wait)

    return call


def openai(address, key):
    from openai import OpenAI

    client = OpenAI(api_key=key, base_url=f"{address}/openai/v1")
    return lambda: client.chat.completions.create(model=MODEL, messages=QUESTION)


def groq(address, key):
    from groq import Groq

    client = Groq(api_key=key, base_url=address)
    return lambda: client.chat.completions.create(model=MODEL, messages=QUESTION)


def litellm_router(address, key):
    import litellm

    parameters = deployment(address) | {"api_key": key}
    router = litellm.Router(model_list=[{"model_name": "any", "litellm_params": parameters}])
    return lambda: router.completion(model="any", messages=QUESTION)


def main():
    client, address, key, arrivals = sys.argv[1:]
    call = globals()[client](address, key)
    served, ends = [], []

    def job(at):
        time.sleep(max(0, start + at - time.monotonic()))
        try:
            call()
            served.append(at)
        except Exception:  # Every client has exceptions of its own for a job that is given up.
            pass
        ends.append(time.monotonic() - start)

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
