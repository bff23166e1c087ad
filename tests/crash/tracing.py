"""strace as a source of faults: a signal or an error at chosen system calls of the relay."""

import shutil
import subprocess
import sys
from functools import lru_cache


@lru_cache(maxsize=1)
def missing() -> str | None:
    """Say why strace cannot be used here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(["strace", "-o", "/dev/null", sys.executable, "-c", ""], capture_output=True, text=True)
    return None if probe.returncode == 0 else f"strace may not trace here: {probe.stderr.strip()}"


def strace(calls: str, fault: str) -> list[str]:
    """The words before a command line that inject a fault into the named calls, in every thread."""
    return ["strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={calls}:{fault}"]


class Faults:
    """While `with` lasts, the named calls of a running process fail with this error."""

    def __init__(self, pid: int, calls: str, error: str) -> None:
        self.words = ["strace", "-f", "-o", "/dev/null", "-e", f"inject={calls}:error={error}", "-p", str(pid)]

    def __enter__(self) -> "Faults":
        self.process = subprocess.Popen(self.words, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "attached" in line, line
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
