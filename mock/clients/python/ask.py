"""Sends one request with a client's default settings: ask.py CLIENT MODEL. The client finds the server by its environment."""

import sys

from clients import CLIENTS

if __name__ == "__main__":
    name, model = sys.argv[1:]
    CLIENTS[name].build(model).ask()
