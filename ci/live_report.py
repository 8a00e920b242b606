"""Runs `storm` twice into a capture, once undisturbed and once with a report on it every 10 ms until it ends, and compares
how fast the drain was. The run is made so long that it is watched for 10 seconds. The guest's result must be right.

usage: live_report.py HTRAIL LOOK_ON [HOPS]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import processes

htrail, look_on = sys.argv[1:3]
hops = int(sys.argv[3]) if len(sys.argv) > 3 else 60000
LIMIT, PERIOD_MS, SECONDS = 1.5, 10, 10


class Measured:
    """What a run showed."""

    def __init__(self, work, watched):
        capture = Path(work) / "run.htrail"
        capture.unlink(missing_ok=True)
        storm = processes.Run(htrail, "storm", "--arg", str(hops), "--trace-out", capture, "--ring-capacity", "2048",
                              "--trace-max-bytes", "12M")
        storm.wait_for(capture)
        begin = time.monotonic()
        watcher = None
        if watched:
            watcher = subprocess.Popen([look_on, capture, str(PERIOD_MS)], stdout=subprocess.PIPE, text=True)
        spent = 0
        while not storm.is_over():
            try:
                spent = max(spent, storm.drain_nanoseconds())
            except (FileNotFoundError, ProcessLookupError):
                pass  # the thread or the process ended meanwhile
            time.sleep(0.02)
        self.seconds = time.monotonic() - begin
        if watcher:
            said = watcher.communicate()[0]
            assert watcher.returncode == 0, "the watcher failed"
            print("watcher ", said.strip())
        report = storm.document()
        assert report["run"]["ended"] == "finished" and report["run"]["exit_value"] == 0, report["run"]
        self.result = storm.said(storm.err)
        losses = report["losses"]
        self.records, self.rate = losses["recorded"], losses["recorded"] / self.seconds
        self.cost = spent / self.records
        print(f"{'watched' if watched else 'alone':8} {self.seconds:.1f} s, {self.records} records folded and {losses['rejected']} "
              f"rejected; the drain folds {self.rate / 1e6:.2f} million a second, with {self.cost:.0f} ns of a processor each")


with tempfile.TemporaryDirectory() as work:
    watched = Measured(work, True)
    while watched.seconds < SECONDS:
        hops *= 2
        print(f"that was too short, again with {hops} hops")
        watched = Measured(work, True)
    alone = Measured(work, False)
assert watched.result == alone.result, (watched.result, alone.result)
print("guest   ", watched.result.strip().splitlines()[-1])
ratio = alone.rate / watched.rate
print(f"the drain is {ratio:.2f} times as slow while it is watched, at most {LIMIT}; it needs {watched.cost / alone.cost:.2f} times the "
      f"processor time per record, and the run takes {watched.seconds / alone.seconds:.2f} times as long")
sys.exit(ratio > LIMIT)
