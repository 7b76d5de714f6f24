#!/usr/bin/env python3
"""Compares the tables of clients with what the tests found, or writes them.

    mock/clients/table.py RESULTS [--write]

RESULTS is a folder with a subfolder for each table: `mock`, with the results of test_matrix.py and matrix.test.mjs, and `gateway`,
with those of test_gateway.py and gateway.test.mjs. Ends with status 1 if a table differs.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
THROUGH_GATEWAY = HERE.parent.parent / "docs" / "gateway-clients.md"
FEATURES = {
    "plain": "plain",
    "streamed": "streamed",
    "tools": "tools",
    "structured": "structured output",
    "refused": "429",
    "retried": "retry",
}
FEATURES_THROUGH_GATEWAY = FEATURES | {"cut_stream": "cut stream", "unknown_model": "unknown model", "fallback": "fallback"}


def cell(row, feature):
    """Returns the cell of one feature in the table: the worst of its outcomes."""
    outcomes = row["features"].get(feature, [])
    if feature in row["not_offered"]:
        return f"not offered: {row['not_offered'][feature]}"
    if not outcomes:
        return "not tested"
    if set(outcomes) - {"passed"}:
        return "failed"
    text = "passed" if len(outcomes) == 1 else f"passed in {len(outcomes)} modes"
    if feature == "retried":
        text += " as announced" if row["waits_as_announced"] else " with a wait of its own"
        text += ", if configured" if row["is_configured_to_retry"] else ""
    return text


def table(rows, features):
    lines = ["| client | version | " + " | ".join(features.values()) + " |", "|---" * (len(features) + 2) + "|"]
    for row in rows:
        cells = " | ".join(cell(row, feature) for feature in features)
        # The name of the package is left out if it is that of the client.
        versions = {"" if package == row["client"].split(",")[0] else package: version for package, version in row["versions"].items()}
        shown = ", ".join(f"{package} {version}".strip() for package, version in versions.items())
        lines.append(f"| {row['client']} ({row['language']}) | {shown} | {cells} |")
    return "\n".join(lines) + "\n"


def update(name, found, is_written, page=README):
    """Writes a table of a page, or ends with status 1 if the present one differs."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, rest = page.read_text().split(begin)
    present, after = rest.split(end)
    if is_written:
        page.write_text(before + begin + found + end + after)
    elif present != found:
        added = [f"+ {line}" for line in found.splitlines() if line not in present.splitlines()]
        gone = [f"- {line}" for line in present.splitlines() if line not in found.splitlines()]
        print(f"The table of {name} in {page.relative_to(HERE.parent.parent)} differs from the results; mock/clients/run --write rewrites it.", file=sys.stderr)
        sys.exit("\n".join(added + gone))


def rows_in(folder):
    """Returns the rows of a table, Python first, and the clients of one package together."""
    rows = [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text())]
    return sorted(rows, key=lambda row: (row["language"] != "Python", next(iter(row["versions"])).lower()))


def main():
    results, *options = sys.argv[1:]
    is_written = options == ["--write"]
    update("clients", table(rows_in(Path(results) / "mock"), FEATURES), is_written)
    through_gateway = table(rows_in(Path(results) / "gateway"), FEATURES_THROUGH_GATEWAY)
    update("clients through the gateway", through_gateway, is_written, THROUGH_GATEWAY)


if __name__ == "__main__":
    main()
