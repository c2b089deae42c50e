#!/usr/bin/env python3
"""Checks licences, bans and sources of deny.toml against the locked dependencies, without cargo-deny and without the network."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = "x86_64-unknown-linux-gnu"


def allowed(expression, allow):
    """Whether a licence expression (SPDX, or the older A/B) can be satisfied by allowed licences."""
    words = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def joined(word, part, meaning):
        nonlocal position
        values = [part()]
        while position < len(words) and words[position] == word:
            position += 1
            values.append(part())
        return meaning(values)

    def alternatives():
        return joined("OR", conjunction, any)

    def conjunction():
        return joined("AND", licence, all)

    def licence():
        nonlocal position
        word = words[position]
        position += 1
        if word == "(":
            value = alternatives()
            position += 1
            return value
        if position + 1 < len(words) and words[position] == "WITH":
            word = f"{word} WITH {words[position + 1]}"
            position += 2
        return word in allow

    return alternatives()


def problems(rules, packages):
    banned = {entry["crate"] for entry in rules["bans"]["deny"]}
    allow = set(rules["licenses"]["allow"])
    for package in packages:
        name = f'{package["name"]} {package["version"]}'
        if package["name"] in banned:
            yield f"{name} is banned"
        licence = package["license"]
        if licence is None or not allowed(licence, allow):
            yield f"{name} has the licence {licence}, which deny.toml does not allow"
        source = package["source"]
        if source is not None and not source.startswith("registry+"):
            yield f"{name} comes from {source}, not from the registry"


def self_test():
    allow = {"MIT", "Apache-2.0", "A WITH B"}
    assert allowed("MIT OR GPL-3.0", allow) and allowed("MIT/GPL-3.0", allow)
    assert not allowed("MIT AND GPL-3.0", allow) and allowed("(GPL-3.0 OR MIT) AND Apache-2.0", allow)
    assert allowed("A WITH B", allow) and not allowed("A", allow)
    rules = {"bans": {"deny": [{"crate": "bad"}]}, "licenses": {"allow": ["MIT"]}}
    package = {"version": "1.0.0", "license": "MIT", "source": "registry+x"}
    found = list(problems(rules, [package | {"name": "bad"}, package | {"name": "good"}, package | {"name": "git", "source": "git+x"}]))
    assert [line.split()[0] for line in found] == ["bad", "git"], found


def main():
    self_test()
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    packages = [package for package in metadata["packages"] if package["id"] in used]
    found = list(problems(rules, packages))
    print("\n".join(found) or f"{len(packages)} packages are as deny.toml asks")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
