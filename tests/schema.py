"""Checks the JSON Schema of scenarios against the scenarios of this repository.

Usage: python3 tests/schema.py cargo run --quiet --   (needs the packages jsonschema and pyyaml)

Every scenario of scenarios/, of tests/fixtures/ itself and of benches/ is valid; every fixture of tests/fixtures/bad whose
names or kinds of values are wrong is not.
"""

import json
import pathlib
import re
import subprocess
import sys

import jsonschema
import yaml

TOP = pathlib.Path(__file__).resolve().parent.parent

# Wrong in ways that a schema cannot see: names that do not exist or occur twice, numbers that contradict each other; or too
# large to validate: aliases that stand for 10^9 values.
BEYOND_THE_SCHEMA = {"adaptive", "family", "missing-target", "duplicate-key", "aliases"}
# Not YAML, or YAML that quotalab does not accept.
NOT_YAML = {"binary", "tab", "unclosed", "two-documents", "yaml-tricks"}


class Core(yaml.SafeLoader):
    """YAML 1.2 core schema: PyYAML itself reads `off` as a boolean and `13:00` as a number."""


Core.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
]:
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first) + [""])


def main() -> int:
    schema_text = subprocess.run([*sys.argv[1:], "schema"], check=True, capture_output=True, text=True).stdout
    schema = json.loads(schema_text)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    failures = 0

    good = sorted([*TOP.glob("scenarios/**/*.yaml"), *TOP.glob("tests/fixtures/*.yaml"), *TOP.glob("benches/*.yaml")])
    for path in good:
        for error in validator.iter_errors(yaml.load(path.read_text(), Core)):
            failures += 1
            print(f"{path.relative_to(TOP)}: refused at {error.json_path}: {error.message[:200]}")

    for path in sorted(TOP.glob("tests/fixtures/bad/*.yaml")):
        if path.stem in NOT_YAML | BEYOND_THE_SCHEMA:
            continue
        if validator.is_valid(yaml.load(path.read_text(), Core)):
            failures += 1
            print(f"{path.relative_to(TOP)}: accepted")

    print(f"{len(good)} good scenarios, {failures} failures")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
