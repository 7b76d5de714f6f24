"""Starts the mock of the tests with the plugin `pytest_quotalab`, and writes the outcomes of test_matrix.py and
test_gateway.py for ../table.py."""

import importlib.metadata
import json
import os
from pathlib import Path

import pytest

from clients import CLIENTS, THROUGH_GATEWAY

# For each module whose outcomes a table shows: the folder of its rows in CLIENTS_RESULTS, and its clients.
TABLES = {"test_matrix": ("mock", CLIENTS), "test_gateway": ("gateway", THROUGH_GATEWAY)}
RESULTS = {}


@pytest.fixture(scope="session")
def address_of(quotalab_session):
    """Returns a function that maps the name of a provider in the scenario to its root URL."""
    return lambda provider: quotalab_session[provider].url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Records the outcome of every test of a client's feature."""
    report = yield
    parameters = getattr(item, "callspec", None) and item.callspec.params
    if parameters and "client" in parameters and not report.skipped:
        feature = item.originalname.removeprefix("test_")
        key = item.module.__name__, parameters["client"], feature, parameters.get("mode")
        # A test has three reports, and a feature may have several tests: a failure in any of them counts.
        if report.outcome != "passed" or report.when == "call" and key not in RESULTS:
            RESULTS[key] = report.outcome
    return report


def pytest_sessionfinish():
    """Writes a row for each client to the folder CLIENTS_RESULTS."""
    rows = {}
    for (module, name, feature, _), outcome in RESULTS.items():
        folder, clients = TABLES[module]
        client = clients[name]
        row = rows.setdefault(folder, {}).setdefault(name, {"client": name, "language": "Python", "features": {}})
        row["versions"] = {client.package: importlib.metadata.version(client.package)}
        row["not_offered"] = dict(client.not_offered)
        row["is_configured_to_retry"] = client.retries is not None
        row["waits_as_announced"] = client.waits_as_announced
        row["features"].setdefault(feature, []).append(outcome)
    for folder, of_clients in rows.items():
        path = Path(os.environ["CLIENTS_RESULTS"]) / folder / f"python-{os.environ['CLIENTS_ENVIRONMENT']}.json"
        path.write_text(json.dumps(list(of_clients.values()), indent=1))
