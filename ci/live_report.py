"""Runs `storm` twice into a capture, once undisturbed and once with a report on it every 10 ms for 10 s, and compares the
processor time that the drain took per record. The guest's result must be right both times.

usage: live_report.py HTRAIL LOOK_ON [HOPS]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import processes

htrail, look_on = sys.argv[1:3]
hops = sys.argv[3] if len(sys.argv) > 3 else "60000"
LIMIT = 1.5


def run(watched, work):
    capture = Path(work) / "run.htrail"
    capture.unlink(missing_ok=True)
    storm = processes.Run(htrail, "storm", "--arg", hops, "--trace-out", capture, "--ring-capacity", "2048",
                          "--trace-max-bytes", "12M")
    storm.wait_for(capture)
    watcher = subprocess.Popen([look_on, capture, "10", "10"]) if watched else None
    spent, begin = 0, time.monotonic()
    while not storm.is_over():
        try:
            spent = max(spent, storm.drain_nanoseconds())
        except (FileNotFoundError, ProcessLookupError):
            pass  # the thread or the process ended meanwhile
        time.sleep(0.02)
    seconds = time.monotonic() - begin
    report = storm.document()
    assert report["run"]["ended"] == "finished" and report["run"]["exit_value"] == 0, report["run"]
    if watcher is not None:
        assert watcher.wait() == 0, "the watcher failed, or the run was over before it; give more hops"
    records = report["losses"]["recorded"]
    print(f"{'watched' if watched else 'alone':8} {seconds:.1f} s, {records} records folded, {records / seconds / 1e6:.2f} "
          f"million a second, {spent / records:.1f} ns of the drain's time each")
    return spent / records


with tempfile.TemporaryDirectory() as work:
    alone = run(False, work)
    watched = run(True, work)
ratio = watched / alone
print(f"the drain takes {ratio:.2f} times as long per record while it is watched; at most {LIMIT}")
sys.exit(ratio > LIMIT)
