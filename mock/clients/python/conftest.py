"""The addresses of the mock, one per provider of ../scenario.yaml. The script ../run sets them in the environment."""

import os

import pytest


@pytest.fixture(scope="session")
def address_of():
    """Returns a function that maps the name of a provider in the scenario to its root URL."""
    return lambda provider: os.environ[f"MOCK_{provider.upper()}"]
