#!/usr/bin/env python3
"""Compares the table of clients in ../README.md with what the tests found, or writes it.

    mock/clients/table.py RESULTS [--write]

RESULTS is the folder into which test_matrix.py and matrix.test.mjs wrote. Ends with status 1 if the table differs.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
FEATURES = {
    "plain": "plain",
    "streamed": "streamed",
    "tools": "tools",
    "structured": "structured output",
    "refused": "429",
    "retried": "retry",
}


def cell(row, feature):
    """Returns what the table says of one feature: the worst of its outcomes."""
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


def table(rows):
    lines = ["| client | version | " + " | ".join(FEATURES.values()) + " |", "|---" * (len(FEATURES) + 2) + "|"]
    for row in rows:
        cells = " | ".join(cell(row, feature) for feature in FEATURES)
        # The name of a package that is that of the client is not repeated.
        versions = {"" if package == row["client"].split(",")[0] else package: version for package, version in row["versions"].items()}
        shown = ", ".join(f"{package} {version}".strip() for package, version in versions.items())
        lines.append(f"| {row['client']} ({row['language']}) | {shown} | {cells} |")
    return "\n".join(lines) + "\n"


def update(name, found, is_written):
    """Writes a table of ../README.md, or ends with status 1 if the present one differs."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, rest = README.read_text().split(begin)
    present, after = rest.split(end)
    if is_written:
        README.write_text(before + begin + found + end + after)
    elif present != found:
        added = [f"+ {line}" for line in found.splitlines() if line not in present.splitlines()]
        gone = [f"- {line}" for line in present.splitlines() if line not in found.splitlines()]
        print(f"The table of {name} in mock/README.md is not what ran; mock/clients/run --write rewrites it.", file=sys.stderr)
        sys.exit("\n".join(added + gone))


def main():
    folder, *options = sys.argv[1:]
    rows = [row for path in sorted(Path(folder).glob("*.json")) for row in json.loads(path.read_text())]
    # Python first, and the clients of one package together.
    rows.sort(key=lambda row: (row["language"] != "Python", next(iter(row["versions"])).lower()))
    update("clients", table(rows), options == ["--write"])


if __name__ == "__main__":
    main()
