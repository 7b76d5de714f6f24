"""The addresses of the mock: one for each provider of ../scenario.yaml. `run` sets them in the environment."""

import os

import pytest


@pytest.fixture(scope="session")
def address():
    """Returns the root URL of a provider, by its name in the scenario."""
    return lambda provider: os.environ[f"MOCK_{provider.upper()}"]
