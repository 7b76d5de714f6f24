"""The licences of the packages in the binary: allowed, each package once, and their texts in the repository.

    python3 tests/licences.py            check; says what differs
    python3 tests/licences.py --write    write docs/third-party-licences.txt

Reads `cargo metadata --offline` for Linux and the packages that cargo has downloaded for a build; needs no network.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXTS = ROOT / "docs" / "third-party-licences.txt"

# A package needs one of these; they allow use in a binary under any terms if their texts come with it.
ALLOWED = {"0BSD", "Apache-2.0", "BSD-3-Clause", "BSL-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "Unicode-3.0", "Unlicense", "Zlib"}

# Packages that occur in two versions, and the reasons.
DUPLICATES = {"base64": "hdrhistogram needs an older one", "getrandom": "ring needs an older one", "syn": "procedural macros, which are not in the binary"}

FILE_NAMES = re.compile(r"(licen[cs]e|copying|notice|unlicense)", re.IGNORECASE)


def packages():
    """Returns the packages that the binary is made of and the procedural macros that they use, except for our own, by name and
    version."""
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    by_id = {package["id"]: package for package in metadata["packages"]}
    dependencies = {node["id"]: node["deps"] for node in metadata["resolve"]["nodes"]}
    found, open_ids = set(), list(metadata["workspace_default_members"])
    while open_ids:
        package = open_ids.pop()
        if package not in found:
            found.add(package)
            normal = [d["pkg"] for d in dependencies[package] if any(kind["kind"] is None for kind in d["dep_kinds"])]
            open_ids.extend(normal)
    own = set(metadata["workspace_members"])
    return sorted((by_id[id] for id in found - own), key=lambda package: (package["name"], package["version"]))


def is_allowed(expression):
    """Returns whether allowed licences satisfy an SPDX expression.

    AND binds tighter than OR, `/` is an old way to write OR, and the LLVM exception is ignored, since it only permits more.
    """
    tokens = re.findall(r"\(|\)|[\w.+-]+", expression.replace("/", " OR ").replace("WITH LLVM-exception", ""))

    def alternatives():
        result = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = all_of() or result
        return result

    def all_of():
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = one() and result
        return result

    def one():
        token = tokens.pop(0)
        if token != "(":
            return token in ALLOWED
        result = alternatives()
        tokens.pop(0)
        return result

    return alternatives()


def texts(package):
    """Returns the texts of the licence files of a package."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = sorted(file for file in folder.iterdir() if file.is_file() and FILE_NAMES.match(file.name))
    return ["\n".join(line.rstrip() for line in file.read_text(errors="replace").strip().splitlines()) for file in files]


def rendered(all_packages):
    """Returns the content of the file: every package with its licence, and every distinct text with its packages."""
    lines = ["Licences of the packages in the binary `quotalab`. Written by `python3 tests/licences.py --write`.", ""]
    by_text = {}
    for package in all_packages:
        name = f"{package['name']} {package['version']}"
        own = texts(package)
        lines.append(f"{name}: {package['license']}" + ("" if own else "; the package has no file with the text"))
        for text in own:
            by_text.setdefault(re.sub(r"\s+", " ", text), (text, []))[1].append(name)
    for text, names in by_text.values():
        lines += ["", "=" * 100, f"The text of: {', '.join(names)}", "=" * 100, "", text]
    return "\n".join(lines) + "\n"


def main():
    all_packages = packages()
    wrong = [f"{package['name']}: `{package['license']}` is not allowed"
             for package in all_packages if not is_allowed(package["license"] or "none")]
    names = [package["name"] for package in all_packages]
    twice = {name for name in names if names.count(name) > 1}
    wrong += [f"{name} occurs in several versions" for name in sorted(twice - DUPLICATES.keys())]
    wrong += [f"{name} occurs once: remove it from DUPLICATES" for name in sorted(DUPLICATES.keys() - twice)]
    content = rendered(all_packages)
    if "--write" in sys.argv:
        TEXTS.write_text(content)
    elif not TEXTS.exists() or TEXTS.read_text() != content:
        wrong.append(f"{TEXTS.relative_to(ROOT)} is not what `python3 tests/licences.py --write` writes")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(all_packages)} packages, all of allowed licences")


if __name__ == "__main__":
    main()
