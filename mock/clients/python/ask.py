"""Sends one request with a client's default settings: ask.py CLIENT ADDRESS. The server records what arrives."""

import sys

from wire import MODEL, QUESTION


def openai(address):
    from openai import OpenAI

    OpenAI(api_key="k", base_url=f"{address}/openai/v1").chat.completions.create(model=MODEL, messages=QUESTION)


def groq(address):
    from groq import Groq

    Groq(api_key="k", base_url=address).chat.completions.create(model=MODEL, messages=QUESTION)


def deployment(address):
    return {"model": f"groq/{MODEL}", "api_base": f"{address}/openai/v1", "api_key": "k"}


def litellm(address):
    import litellm

    litellm.completion(messages=QUESTION, **deployment(address))


def litellm_router(address):
    import litellm

    router = litellm.Router(model_list=[{"model_name": "any", "litellm_params": deployment(address)}])
    router.completion(model="any", messages=QUESTION)


if __name__ == "__main__":
    client, address = sys.argv[1:]
    globals()[client](address)
