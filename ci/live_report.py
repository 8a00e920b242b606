"""Runs `storm` into a capture and has it watched: for 5 s not at all, for 10 s by a report every 10 ms (or one after another,
where one takes longer), for 5 s not at all. Compares how fast the drain was with and without. The guest's result must be
right at the end. The run is made longer until it lasts that long.

usage: live_report.py HTRAIL LOOK_ON [HOPS]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import processes

htrail, look_on = sys.argv[1:3]
hops = int(sys.argv[3]) if len(sys.argv) > 3 else 60000
LIMIT, PERIOD_MS, SECONDS, TOO_SHORT = 1.5, 10, 10, 2


def run(capture):
    """What the watcher said, or nothing if the run was too short; and what the guest said."""
    storm = processes.Run(htrail, "storm", "--arg", str(hops), "--trace-out", capture, "--ring-capacity", "2048",
                          "--trace-max-bytes", "12M")
    storm.wait_for(capture)
    watcher = subprocess.run([look_on, capture, str(PERIOD_MS), str(SECONDS)], stdout=subprocess.PIPE, text=True)
    report = storm.document()
    assert watcher.returncode in (0, TOO_SHORT), "the watcher failed"
    assert report["run"]["ended"] == "finished" and report["run"]["exit_value"] == 0, report["run"]
    return watcher.stdout if watcher.returncode == 0 else None, storm.said(storm.err).strip()


with tempfile.TemporaryDirectory() as work:
    capture = Path(work) / "run.htrail"
    watched, guest = run(capture)
    while watched is None:
        hops *= 2
        print(f"that was too short, again with {hops} hops")
        capture.unlink()
        watched, guest = run(capture)
print(watched + guest)
assert guest.endswith(", ok"), "the guest checks its result"
ratio = float(watched.split()[-1])
print(f"the drain is slowed down {ratio} times while it is watched, at most {LIMIT}")
sys.exit(ratio > LIMIT)
