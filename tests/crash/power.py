"""A disk whose power may be cut: recorded system calls become the states in which it may be found.

What was synced is there. Of what was written to a file since its last sync, any sectors may be there, in any order.
Names (made, renamed, removed) reach the disk in their order, as a journal keeps them, and for certain with a sync of
the folder. The strict reading: the sync of a file says nothing of its name.
"""

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

SECTOR = 512
SYNCS = ("fsync", "fdatasync")
_CALLS = "openat,write,pwrite64,fsync,fdatasync,ftruncate,rename,unlink,unlinkat,mkdir"
_OTHER_WRITES = "writev,pwritev,pwritev2,copy_file_range,fallocate,link,linkat,renameat,renameat2,mkdirat,creat"
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
_UNFINISHED = "<unfinished ...>"
_ENDED = re.compile(r"^(.*)\) += (.*)$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"^\d+<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that changed the folder or promised something. `starts`: a sync that has begun, and not ended."""

    name: str
    path: str
    octets: bytes = b""
    at: int | None = None  # offset, or length
    target: str = ""
    starts: bool = False


@dataclass(slots=True)
class Inode:
    """A file. durable: as of its last sync; written: changes since, as offset and octets, or None and a length."""

    durable: bytearray = field(default_factory=bytearray)
    written: list[tuple[int | None, bytes | int]] = field(default_factory=list)
    syncing: list[int] = field(default_factory=list)  # how many of `written` each sync that runs covers
    size: int = 0


def record(folder: Path, acknowledged: Path, seed: int, log: Path) -> list[Call]:
    """Run the load under strace and return what it did to the folder, and what it promised."""
    subprocess.run(
        [
            *("strace", "--seccomp-bpf", "-f", "-y", "-xx", "-qq", "-s", "9999999", "-o", str(log)),
            *("-e", f"trace={_CALLS},{_OTHER_WRITES}", "-e", "signal=none"),
            *(sys.executable, "-m", "tests.crash.power_load", str(folder), str(acknowledged), str(seed)),
        ],
        check=True,
    )
    return list(_calls(log.read_text(), str(folder), str(acknowledged)))


def _calls(text: str, folder: str, acknowledged: str) -> Iterator[Call]:
    """A promise counts from the beginning of its call; a write, a name and a sync from their end."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        thread, resumed, name, rest = match.groups()
        is_begun = rest.endswith(_UNFINISHED)
        if is_begun:
            begun[thread] = rest = rest.removesuffix(_UNFINISHED)
        elif resumed:
            name, rest = resumed, begun.pop(thread) + rest
        ended = _ENDED.match(rest)
        if not is_begun and (ended is None or ended[2].startswith("-")):
            continue
        call = _call(name, ended[1] if ended else rest, folder, acknowledged)
        if call is None:
            continue
        if not resumed and call.name in SYNCS:
            yield replace(call, starts=True)
        if (not resumed) if call.name == "promise" else (not is_begun):
            yield call


def _call(name: str, arguments: str, folder: str, acknowledged: str) -> Call | None:
    strings = [_plain(each) for each in _STRING.findall(arguments)]
    descriptor = _DESCRIPTOR.match(arguments)
    if name in ("rename", "unlink", "mkdir", "openat", "unlinkat"):
        path = strings[0].decode()
        if not path.startswith(folder) or (name == "openat" and "O_CREAT" not in arguments):
            return None
        return Call(name, path, target=strings[1].decode() if name == "rename" else "")
    if descriptor is None:
        return None
    path = _plain(descriptor[1]).decode(errors="replace")
    if path == acknowledged:
        return Call("promise", path, strings[0])
    if not path.startswith(folder) or descriptor[2]:
        return None
    assert name in _CALLS.split(","), f"the simulated disk does not know {name}"
    numbers = re.findall(r", (\d+)", arguments)
    if name == "ftruncate":
        return Call(name, path, at=int(numbers[0]))
    if name in ("write", "pwrite64"):
        return Call(name, path, strings[0], int(numbers[-1]) if name == "pwrite64" else None)
    return Call(name, path)


def _plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


class Disk:
    """What calls have done so far, and what of it is certain."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.names: dict[str, Inode | None] = {}  # None: a folder
        self.durable_names: dict[str, Inode | None] = {}
        self.journal: list[tuple[str, str, Inode | None]] = []  # what became of a name: set, gone
        self.promises: list[str] = []

    def apply(self, call: Call) -> None:
        inode = self.names.get(call.path)
        match call.name:
            case "promise":
                self.promises += call.octets.decode().splitlines()
            case "mkdir":
                self._name("set", call.path, None)
            case "openat" if call.path not in self.names:
                self._name("set", call.path, Inode())
            case "rename":
                self._name("set", call.target, inode)
                self._name("gone", call.path, None)
            case "unlink" | "unlinkat":
                self._name("gone", call.path, None)
            case "write" | "pwrite64" if inode is not None:
                at = inode.size if call.at is None else call.at
                inode.written.append((at, call.octets))
                inode.size = max(inode.size, at + len(call.octets))
            case "ftruncate" if inode is not None and call.at is not None:
                inode.written.append((None, call.at))
                inode.size = call.at
            case "fsync" | "fdatasync":
                self._sync(call, inode)

    def _name(self, verb: str, path: str, inode: Inode | None) -> None:
        self.journal.append((verb, path, inode))
        _rename(self.names, verb, path, inode)

    def _sync(self, call: Call, inode: Inode | None) -> None:
        if inode is None:
            if not call.starts:  # a folder: its names, and by their order all before
                for entry in self.journal:
                    _rename(self.durable_names, *entry)
                self.journal.clear()
        elif call.starts:
            inode.syncing.append(len(inode.written))
        else:
            covered = inode.syncing.pop(0)  # of two at once, the one that began first covers less
            for change in inode.written[:covered]:
                _write(inode.durable, change)
            del inode.written[:covered]
            inode.syncing = [max(0, count - covered) for count in inode.syncing]

    def image(self, target: Path, chance: random.Random, share: float) -> None:
        """Write one state in which the disk may be found. share: how likely what is not certain is there, 0 to 1."""
        names = dict(self.durable_names)
        for entry in self.journal:
            if chance.random() >= share:
                break
            _rename(names, *entry)
        for path in sorted(names):
            inode = names[path]
            place = target / os.path.relpath(path, self.folder)
            if inode is None:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            octets = bytearray(inode.durable)
            for change in inode.written:
                for piece in _sectors(change):
                    if chance.random() < share:
                        _write(octets, piece)
            place.write_bytes(octets)


def _rename(names: dict[str, Inode | None], verb: str, path: str, inode: Inode | None) -> None:
    if verb == "set":
        names[path] = inode
    else:
        names.pop(path, None)


def _write(octets: bytearray, change: tuple[int | None, bytes | int]) -> None:
    at, what = change
    if isinstance(what, int):
        del octets[what:]
        octets.extend(bytes(what - len(octets)))
    else:
        assert at is not None
        octets.extend(bytes(max(0, at - len(octets))))
        octets[at : at + len(what)] = what


def _sectors(change: tuple[int | None, bytes | int]) -> Iterator[tuple[int | None, bytes | int]]:
    at, what = change
    if isinstance(what, int):
        yield change
        return
    assert at is not None
    start = 0
    while start < len(what):
        end = min(len(what), start + SECTOR - (at + start) % SECTOR)
        yield at + start, what[start:end]
        start = end
