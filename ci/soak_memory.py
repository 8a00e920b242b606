"""Runs a guest for some minutes, in memory and into a capture at once, and watches how much memory each process has of its
own: beyond the first fifth it must not grow.

usage: soak_memory.py HTRAIL GUEST MINUTES
"""

import signal
import sys
import tempfile
import time
from pathlib import Path

import processes

htrail, guest, minutes = sys.argv[1], sys.argv[2], float(sys.argv[3])
SLACK = 4096  # KiB: allocators give back late
# The drain's scratch space becomes as large as all that the rings ever held at one time. With small rings that is soon.
RINGS = ["--ring-capacity", "4096"]


def verdict(name, samples):
    fifth = len(samples) // 5
    early, late = max(samples[fifth:2 * fifth]), max(samples[-fifth:])
    grown = late - early
    print(f"{name:8} {early} KiB in the second fifth, {late} KiB in the last: {grown:+} KiB, at most {SLACK}")
    return grown <= SLACK


with tempfile.TemporaryDirectory() as work:
    runs = {
        "memory": processes.Run(htrail, guest, "--arg", "0x7fffffff", *RINGS),
        "capture": processes.Run(htrail, guest, "--arg", "0x7fffffff", *RINGS, "--trace-out", Path(work) / "run.htrail"),
    }
    samples = {name: [] for name in runs}
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        time.sleep(min(1, minutes))
        for name, run in runs.items():
            assert not run.is_over(), f"{name} ended: {run.document()['run']}"
            samples[name].append(run.status("RssAnon"))
    good = True
    for name, run in runs.items():
        run.process.send_signal(signal.SIGINT)
        report = run.document()
        assert report["run"]["ended"] == "interrupted", report["run"]
        print(f"{name:8} {report['losses']['attempted']} records attempted, {report['losses']['recorded']} folded")
        good &= verdict(name, samples[name])
sys.exit(not good)
