"""What the scripts that watch a run have in common: start it, look at it in /proc, end it. Linux only."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

GUESTS = Path(__file__).parent.parent / "guests" / "bin"


class Run:
    """A guest that runs under htrail with its audit on."""

    def __init__(self, htrail, guest, *arguments):
        command = [htrail, "run", GUESTS / f"{guest}.elf", "--trace-handles", "--json", *arguments]
        # Files, for nobody reads from a pipe while the run goes on.
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=self.out, stderr=self.err)
        self.proc = Path("/proc") / str(self.process.pid)

    def is_over(self):
        return self.process.poll() is not None

    def status(self, field):
        """A field of /proc/PID/status, in KiB."""
        lines = (self.proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))

    def wait_for(self, path):
        while not path.exists():
            assert not self.is_over(), self.said(self.err)
            time.sleep(0.01)

    @staticmethod
    def said(file):
        file.seek(0)
        return file.read().decode()

    def document(self):
        """The report, once the run has ended."""
        self.process.wait()
        out = self.said(self.out)
        assert out, self.said(self.err)
        return json.loads(out)
