"""Where the mock listens: one address for each provider of ../scenario.yaml, told by `run` in the environment."""

import os

import pytest


@pytest.fixture(scope="session")
def address():
    """The root URL of a provider, by its name in the scenario."""
    return lambda provider: os.environ[f"MOCK_{provider.upper()}"]
