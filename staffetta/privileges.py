"""As whom the relay runs: root takes the low ports, becomes the user of the settings, and cannot come back.

Rule 1: root stays root only where `run_as = "root"` says so, or where every address is of this machine alone.
Rule 2: what root does before is to read the settings, take ports below 1024, and make the data folder.
Rule 3: a secret that others can read, or a file that this user cannot, ends the start, with what to type.
Rule 4: whoever it is: files that are made are for this user alone, and no program started by us gets more rights.
"""

import ctypes
import errno
import os
import pwd
import stat
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import structlog

from staffetta.doctor.checks import permissions
from staffetta.doctor.facts import FileFacts
from staffetta.doctor.gathering.files import files
from staffetta.settings.file import Problem, SettingsError, read
from staffetta.settings.model import Settings
from staffetta.settings.places import line_of

ROOT = "root"
_LOW_PORTS = range(1, 1024)
_UMASK = 0o077
_PR_SET_NO_NEW_PRIVS = 38  # <linux/prctl.h>

_log = structlog.get_logger()


class FilesRefused(Exception):
    """A file's permissions keep the relay from starting. The text names file, mode and what to type."""


def become(settings: Settings, config: Path, addresses: Sequence[str], take: Callable[[str], None]) -> None:
    """Give up root, if that is who started us. No thread may run yet.

    addresses: `IP:port` of everything that will listen. take: binds one of them. Raises SettingsError, and what take
    raises.
    """
    os.umask(_UMASK)
    if os.geteuid() == 0:
        _leave_root(settings, config, addresses, take)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # old kernels know it not, and say so


def check_files(settings: Settings) -> None:
    """Look at the permissions of settings, databases, keys and secrets. Raises FilesRefused."""
    if refusals := [refusal for file in files(settings) for refusal in _refusals(file)]:
        raise FilesRefused("\n".join(refusals))


def _leave_root(settings: Settings, config: Path, addresses: Sequence[str], take: Callable[[str], None]) -> None:
    wanted = settings.run_as
    if wanted is None:
        if (open_to_others := next((each for each in addresses if not _is_loopback(each)), None)) is not None:
            raise _refused(
                config,
                f"root started the relay, and {open_to_others} is open to others; write the user that it becomes once "
                f'it has its ports, as in run_as = "staffetta", or, to stay root all the same, run_as = "{ROOT}"',
            )
        _log.warning("root runs the relay, for this machine alone; run_as names the user that it should become")
    if wanted in (None, ROOT):
        return
    try:
        user = pwd.getpwnam(wanted)
    except KeyError:
        advice = f"make it (useradd --system {wanted}), or write one of this machine's"
        raise _refused(config, f"there is no user {wanted!r} here; {advice}") from None
    if user.pw_uid == 0:
        raise _refused(config, f'{wanted!r} is root by another name; write run_as = "{ROOT}"')
    for address in addresses:
        if int(address.rpartition(":")[2]) in _LOW_PORTS:
            take(address)
    _make_data_folder(settings.data_dir, user)
    _become(user)
    for file in (__file__, os.__file__):  # more of both is loaded later, and by a restart
        if not os.access(file, os.R_OK):
            where = Path(file).parent
            raise _refused(
                config, f"{wanted!r} cannot read {where}; install this program, and Python, where all may read"
            )


def _become(user: pwd.struct_passwd) -> None:
    """Groups first: afterwards there is no right to change them."""
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    try:
        os.setuid(0)
    except PermissionError:
        os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
        return
    raise RuntimeError("root was given up, and is back")


def _make_data_folder(folder: Path, user: pwd.struct_passwd) -> None:
    """At the first start; its parent is often one in which only root may write. One that is there stays as it is."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, user.pw_uid, user.pw_gid)


def _refused(config: Path, text: str) -> SettingsError:
    return SettingsError([Problem(str(config), line_of(read(config), ("run_as",)), "run_as", text)])


def _is_loopback(address: str) -> bool:
    return ip_address(address.rpartition(":")[0].strip("[]")).is_loopback


def _refusals(file: FileFacts) -> Iterator[str]:
    """What the doctor says of a file by itself counts here only where others come as far as the file now."""
    me = _name(os.geteuid())
    if file.trouble is not None:  # not there is the doctor's to tell: it may come
        if file.trouble == os.strerror(errno.EACCES):
            yield f"{file.path} ({file.what}): {me}, who runs the relay, may not enter a folder above it."
        return
    if not os.access(file.path, os.R_OK):
        chown = "chown -R" if file.path.is_dir() else "chown"
        yield (
            f"{file.path} ({file.what}) belongs to {_name(file.owner)}, and {me}, who runs the relay, cannot read it. "
            f"{chown} {me} {file.path}"
        )
        return
    is_listed_only = file.path.is_dir() and not file.mode & permissions.OTHERS_WRITE
    if is_listed_only or not _others_come_to(file.path):
        return
    for finding in permissions.of_file(file):
        if finding.code in (permissions.READABLE.code, permissions.WRITABLE.code):
            yield f"{finding.seen}. {finding.why} {finding.action}"


def _others_come_to(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
