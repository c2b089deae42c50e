#!/usr/bin/env python3
"""Measures `mesh init`, `mesh diff` and `run readiness` on a large embedded mesh: wall time, memory and requests.

    python3 tests/large_mesh.py [--binary target/release/meshdrill] [--limits]

The lab runs in a process of its own, in real time. `--limits` fails above 60 s or 150 MB, and when a kind is listed twice.
"""
import argparse
import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

CLUSTERS = ["ams", "fra", "iad", "nrt", "sin"]
MOST_SECONDS, MOST_MEGABYTES = 60, 150


def start_lab(binary, folder):
    """The lab and the URLs of its API servers."""
    kubeconfig = os.path.join(folder, "kubeconfig")
    lab = subprocess.Popen([binary, "lab", "--lab-mesh", "large", "--unmarked", "--kubeconfig", kubeconfig],
                           stdout=subprocess.PIPE, text=True)
    for line in lab.stdout:
        if line.strip() == "ready":
            text = open(kubeconfig).read()
            return lab, kubeconfig, re.findall(r"^    server: (\S+)$", text, re.M)
    sys.exit("the lab ended before it was ready")


def counted(urls):
    """Requests and bytes of all clusters by verb, resource and scope."""
    total = collections.Counter()
    size = collections.Counter()
    for url in urls:
        for row in json.load(urllib.request.urlopen(url + "/lab/requests"))["requests"]:
            key = (row["verb"], row["what"], row["scope"])
            total[key] += row["count"]
            size[key] += row["bytes"]
    return total, size


def measured(command, urls):
    """Runs a command: seconds, megabytes, exit code, and what it asked for."""
    before, before_size = counted(urls)
    begun = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - begun
    after, after_size = counted(urls)
    asked = {key: (after[key] - before[key], after_size[key] - before_size[key]) for key in after}
    asked = {key: value for key, value in asked.items() if value[0]}
    return seconds, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status), asked


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default="target/release/meshdrill")
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--requests", action="store_true", help="print every kind of request")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lab, kubeconfig, urls = start_lab(args.binary, folder)
        try:
            wrong = measure_all(args, folder, kubeconfig, urls)
        finally:
            lab.send_signal(signal.SIGTERM)
            lab.wait()
    if args.limits and wrong:
        sys.exit("\n".join(wrong))


def measure_all(args, folder, kubeconfig, urls):
    mesh, runs = os.path.join(folder, "mesh.yaml"), os.path.join(folder, "runs")
    contexts = [word for key in CLUSTERS for word in ("--context", f"{key}={key}")]
    mine = ["--kubeconfig", kubeconfig]
    commands = {
        "mesh init": ["mesh", "init", *contexts, *mine, "--out", mesh],
        "mesh diff": ["mesh", "diff", "--mesh", mesh, *mine],
        "run readiness": ["run", "readiness", "--mesh", mesh, *mine, "--runs", runs, "--quiet"],
    }
    print("| command | exit code | s | MB | requests | MB answered |\n|---|---|---|---|---|---|")
    wrong = []
    for name, command in commands.items():
        seconds, megabytes, code, asked = measured([args.binary, *command], urls)
        requests, size = (sum(value[part] for value in asked.values()) for part in (0, 1))
        print(f"| `{name}` | {code} | {seconds:.1f} | {megabytes:.0f} | {requests} | {size / 1e6:.1f} |", flush=True)
        if args.requests:
            for key, (count, size) in sorted(asked.items(), key=lambda item: -item[1][1]):
                print(f"    {count:5} {size / 1e6:8.2f} MB  {' '.join(key)}")
        if seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES:
            wrong.append(f"{name}: {seconds:.1f} s, {megabytes:.0f} MB")
        for (verb, what, scope), (count, _) in asked.items():
            if verb == "list" and scope == "all" and count > len(CLUSTERS):
                wrong.append(f"{name}: {count} lists of {what} in {len(CLUSTERS)} clusters")
    return wrong


if __name__ == "__main__":
    main()
