"""The function that articles on rate limits print. It is `like: article` in a scenario."""

import json
import os
import random
import time
import urllib.error
import urllib.request

from adapters import MESSAGES


class Article:
    def __init__(self, model, retries=None):
        self.body = json.dumps({"model": model, "messages": MESSAGES}).encode()

    def post(self):
        headers = {"authorization": f"Bearer {os.environ['GROQ_API_KEY']}", "content-type": "application/json"}
        address = f"{os.environ['GROQ_BASE_URL']}/openai/v1/chat/completions"
        with urllib.request.urlopen(urllib.request.Request(address, self.body, headers)) as reply:
            return json.load(reply)["choices"][0]["message"]["content"]

    def ask(self, max_retries=5):
        for attempt in range(max_retries + 1):
            try:
                return self.post()
            except urllib.error.HTTPError as error:
                if error.code != 429 or attempt == max_retries:
                    raise
                retry_after = error.headers.get("retry-after")
                if retry_after:
                    wait = float(retry_after) + random.uniform(0, 0.5)
                else:
                    wait = random.uniform(0, min(30, 2**attempt))
                time.sleep(wait)
