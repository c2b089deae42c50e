#!/usr/bin/env python3
"""Compares meshdrill with vegeta against one local server, in one run: how much of the time the instrument adds to an answer.

    python3 tests/compare/vegeta.py [SECONDS]

Needs Go (it installs vegeta and builds the server below target/compare) and builds meshdrill for release; MESHDRILL names another
binary. Prints a Markdown table for docs/benchmarks.md. Latencies are in ms, of good answers; CPU is user and system time in
seconds; memory is the largest resident size in MB. The tools take turns: both see the same machine.
"""

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "compare"
VEGETA = "github.com/tsenart/vegeta/v12@v12.13.0"
LOADS = [(1000, "kept"), (1000, "new"), (10000, "new")]


def measured(command, **options):
    """Runs a program to its end: its stdout, CPU seconds and largest resident size in MB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return out, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def meshdrill(binary, url, rate, connection, seconds):
    scenario = f"""apiVersion: meshdrill.io/v1
kind: Scenario
metadata: {{ name: load }}
spec:
  observe: {seconds}s
  probes:
    server:
      http: {{ url: "{url}", connection: {connection}, timeout: 5s, slow: 5s }}
      every: {1_000_000 // rate}us
  sla:
    - {{ probe: server, errorRate: 50% }}
"""
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        path = pathlib.Path(folder) / "load.yaml"
        path.write_text(scenario)
        command = [binary, "run", str(path), "--runs", folder]
        _, cpu, memory = measured(command, cwd=folder, stderr=subprocess.DEVNULL)
        card = json.loads(next(pathlib.Path(folder).glob("*/scorecard.json")).read_text())
    probe = card["probes"][0]
    latency = probe["latency"]
    return probe["sent"] / probe["planned"], latency["p50"] * 1000, latency["p99"] * 1000, cpu, memory


def vegeta(url, rate, connection, seconds):
    attack = [WORK / "bin" / "vegeta", "attack", f"-rate={rate}/s", f"-duration={seconds}s", "-timeout=5s"]
    if connection == "new":
        attack.append("-keepalive=false")
    targets = tempfile.TemporaryFile(dir=WORK)
    targets.write(f"GET {url}\n".encode())
    targets.seek(0)
    out, cpu, memory = measured(attack, stdin=targets)
    report = subprocess.run([WORK / "bin" / "vegeta", "report", "-type=json"], input=out, capture_output=True, check=True)
    figures = json.loads(report.stdout)
    millis = lambda name: figures["latencies"][name] / 1e6
    good = figures["status_codes"].get("200", 0)
    return good / (rate * seconds), millis("50th"), millis("99th"), cpu, memory


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    (WORK / "bin").mkdir(parents=True, exist_ok=True)
    go = {**os.environ, "GOBIN": str(WORK / "bin")}
    subprocess.run(["go", "install", VEGETA], env=go, check=True)
    subprocess.run(["go", "build", "-o", WORK / "bin" / "server", ROOT / "tests/compare/server.go"], check=True)
    binary = os.environ.get("MESHDRILL")
    if not binary:
        subprocess.run(["cargo", "build", "--release", "-p", "meshdrill"], cwd=ROOT, check=True)
        binary = str(ROOT / "target/release/meshdrill")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    server = subprocess.Popen([WORK / "bin" / "server"], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        print("| connections | per s | tool | answered | P50 | P99 | CPU | memory |")
        print("|---|---|---|---|---|---|---|---|")
        for rate, connection in LOADS:
            for name, run in [("meshdrill", lambda *load: meshdrill(binary, *load)), ("vegeta", vegeta)]:
                sent, p50, p99, cpu, memory = run(url, rate, connection, seconds)
                print(f"| {connection} | {rate:,} | {name} | {sent:.1%} | {p50:.2f} | {p99:.2f} | {cpu:.1f} | {memory:.0f} |", flush=True)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
