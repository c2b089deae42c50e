#!/usr/bin/env python3
"""Counts circles of imports between the source files of each crate of the workspace.

An import is a `use` or a path in code: `crate::a::b`, `super::b`, `self::b`, or a path through an imported module. An item that a
module re-exports counts for the file that defines it. Not counted: test code, and imports between a module and its own children. Calls
of methods are not imports: a circle that runs through methods alone is not found. Exit code 1: a limit is exceeded.
"""
import argparse, re, sys, tempfile
from pathlib import Path

CRATES = {"checks": "checks/src", "evidence": "evidence/src", "history": "history/src", "signoff": "signoff/src", "reports": "reports/src", "document": "harness/document/src", "harness": "harness/src", "lab": "harness/lab/src"}
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|b?r(#+)".*?"\1|b?r"[^"]*"|b?"(?:\\.|[^"\\])*"|b?\'(?:\\[^\n]*?|[^\\\n])\'', re.S)
TEST = re.compile(r"#\[cfg\((?:test|all\(test[^\]]*)\)\]")
USE = re.compile(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
MOD = re.compile(r"\bmod\s+(\w+)\s*([;{])")
PATH = re.compile(r"(?<![\w:.])(?:r#)?(\w+)((?:\s*::\s*\w+)+)")
BRANCH = re.compile(r"(?:[^,{}]|{(?:[^{}]|{(?:[^{}]|{[^{}]*})*})*})+")
ITEM = re.compile(r"\b(?:fn|struct|enum|trait|type|const|static|union|macro_rules!)\s+(?:mut\s+)?(\w+)")


def after_item(text, at):
    """The end of the item that begins at `at`: past its `;` or the brace that closes it."""
    depth = 0
    for found in re.compile(r"[{}()\[\];]").finditer(text, at):
        depth += {"{": 1, "(": 1, "[": 1, ";": 0}.get(found[0], -1)
        if depth == 0 and found[0] in ";}":
            return found.end()
    return len(text)


def clean(text):
    """The text without comments, literals and test code."""
    text = NOISE.sub('""', text)
    while found := TEST.search(text):
        at = found.end()
        while attribute := re.match(r"\s*#\[[^\]]*\]", text[at:]):
            at += attribute.end()
        text = text[: found.start()] + text[after_item(text, at) :]
    return text


def leaves(tree, prefix=()):
    """(path, name) of every leaf of a `use` tree; `*` is the name of a glob."""
    head, brace, inner = tree.partition("{")
    path, _, name = head.partition(" as ")
    parts = prefix + tuple(re.findall(r"[\w*]+", path))
    if brace:
        for one in BRANCH.findall(inner[: inner.rindex("}")]):
            yield from leaves(one, parts)
    elif parts and parts[-1] == "self":
        yield parts[:-1], name.strip() or parts[-2]
    elif parts:
        yield parts, name.strip() or parts[-1]


class Crate:
    """The modules of one crate: their files, what they define and what they import."""

    def __init__(self, root):
        self.root, self.files, self.texts, self.items, self.names, self.globs = root, {}, {}, {}, {}, {}
        start = next(root / name for name in ("lib.rs", "main.rs") if (root / name).exists())
        self.add((), start, root)

    def add(self, module, file, folder, text=None):
        own = clean(file.read_text()) if text is None else text
        rest, at = "", 0
        self.files[module] = file
        for found in MOD.finditer(own):
            if found.start() < at:
                continue
            rest += own[at : found.start()]
            name, at = found[1], found.end()
            if found[2] == "{":
                end = after_item(own, found.start())
                self.add(module + (name,), file, folder / name, own[at : end - 1])
                at = end
            else:
                child = folder / f"{name}.rs"
                child = child if child.exists() else folder / name / "mod.rs"
                if child.exists():
                    self.add(module + (name,), child, folder / name)
        rest += own[at:]
        self.items[module] = set(ITEM.findall(rest))
        self.names[module], self.globs[module] = {}, []
        for _, tree in USE.findall(rest):
            for path, name in leaves(tree):
                if name == "*":
                    self.globs[module].append(path[:-1])
                else:
                    self.names[module][name] = path
        self.texts[module] = USE.sub("", rest)

    def resolve(self, module, path, seen=frozenset()):
        """The module that defines what a path means in a module; None when that is another crate's, or a local name."""
        if (module, path) in seen or len(seen) > 40:
            return None
        seen, at, rest = seen | {(module, path)}, module, list(path)
        if rest[0] == "crate":
            at, rest = (), rest[1:]
        elif rest[0] in ("super", "self"):
            while rest and rest[0] in ("super", "self"):
                at, rest = at[:-1] if rest[0] == "super" else at, rest[1:]
        elif (at + (rest[0],)) not in self.files and rest[0] not in self.names[at]:
            return None
        while rest:
            step = rest[0]
            if at + (step,) in self.files:
                at, rest = at + (step,), rest[1:]
            elif step in self.items[at]:
                return at
            elif step in self.names[at]:
                return self.resolve(at, self.names[at][step] + tuple(rest[1:]), seen)
            else:
                globs = (self.resolve(at, inner + (step,), seen) for inner in self.globs[at])
                return next((found for found in globs if found is not None), at)
        return at

    def edges(self):
        """file -> files it imports from."""
        graph = {file: set() for file in self.files.values()}
        for module, text in self.texts.items():
            used = list(self.names[module].values()) + self.globs[module]
            used += [(first, *re.findall(r"\w+", more)) for first, more in PATH.findall(text)]
            for path in used:
                target = self.resolve(module, path) if path else None
                if target is None:
                    continue
                near = module == target or module[:-1] == target or target[:-1] == module
                if self.files[target] != self.files[module] and not near:
                    graph[self.files[module]].add(self.files[target])
        return graph


def circles(graph):
    """Sets of files that all reach each other, the largest first."""
    def reached(start):
        found, todo = set(), [start]
        while todo:
            new = graph[todo.pop()] - found
            found |= new
            todo += new
        return found
    reach = {file: reached(file) for file in graph}
    found = {frozenset(other for other in reach[file] if file in reach[other]) for file in graph if file in reach[file]}
    return sorted((sorted(one) for one in found), key=lambda one: (-len(one), one))


def self_test():
    files = {
        "lib.rs": "mod a; mod b; mod c; mod d;\npub use a::A;",
        "a.rs": "use crate::b::{self, one::B as Other};\npub struct A; // crate::d::D\n#[cfg(test)]\nmod tests { use crate::d::D; }",
        "b/mod.rs": "mod one; mod two;\npub(crate) use one::*; pub(crate) use two::T;\nuse std::fmt;",
        "b/one.rs": "use super::T; use super::fmt;\npub struct B(crate::A);",
        "b/two.rs": "pub struct T;",
        "c.rs": "use crate::b;\nfn f() { let x = b::one::B; b::two::g() }",
        "d.rs": 'pub struct D; const TEXT: &str = "crate::a::A"; fn f(x: crate::c::X<\'_>) {}',
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
        graph = Crate(root).edges()
        short = {str(k.relative_to(root)): {str(v.relative_to(root)) for v in vs} for k, vs in graph.items()}
        assert short == {"lib.rs": set(), "a.rs": {"b/mod.rs", "b/one.rs"}, "b/mod.rs": set(), "b/one.rs": {"a.rs", "b/two.rs"},
                         "b/two.rs": set(), "c.rs": {"b/mod.rs", "b/one.rs", "b/two.rs"}, "d.rs": {"c.rs"}}, short
        assert [[f.name for f in one] for one in circles(graph)] == [["a.rs", "one.rs"]]
    print("self-test passed")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--list", action="store_true", help="show the circles")
    options.add_argument("--limit", action="append", default=[], metavar="CRATE=FILES", help="most files in one circle of a crate")
    options.add_argument("--max-files", type=int, help="most files in one circle of any crate")
    options.add_argument("--max-circles", type=int, help="most circles in any crate")
    options.add_argument("--self-test", action="store_true", help="check this script against a small crate of its own")
    given = options.parse_args()
    if given.self_test:
        return self_test()
    workspace, failed = Path(__file__).resolve().parent.parent, False
    limits = {crate: int(files) for crate, files in (limit.split("=") for limit in given.limit)}
    for crate, folder in CRATES.items():
        graph = Crate(workspace / folder).edges()
        found = circles(graph)
        largest = len(found[0]) if found else 0
        print(f"{crate}: {len(graph)} files, {len(found)} circles, {largest} files in the largest")
        most = limits.get(crate, given.max_files)
        if most is not None and largest > most or given.max_circles is not None and len(found) > given.max_circles:
            failed = True
        for circle in found if given.list else []:
            print("  circle of", len(circle))
            for file in circle:
                targets = sorted(str(t.relative_to(workspace / folder)) for t in graph[file] & set(circle))
                print(f"    {file.relative_to(workspace / folder)} -> {', '.join(targets)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
