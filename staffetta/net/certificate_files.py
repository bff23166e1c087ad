"""Whether the files of a certificate are still those that were read; who renews one only writes the files."""

from pathlib import Path

Stamp = tuple[int, int, int] | None


def stamp_of(path: Path) -> Stamp:
    """Return what changes with a file's content; None where the file cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class CertificateFiles:
    """Certificate and key. Make it before they are read, so that no change between is missed."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen = self._look()

    def have_changed(self) -> bool:
        """Whether a file is another one than at the last call. A file that vanishes, or comes back, is another one."""
        before, self._seen = self._seen, self._look()
        return before != self._seen

    def _look(self) -> tuple[Stamp, ...]:
        return tuple(stamp_of(path) for path in self._paths)
