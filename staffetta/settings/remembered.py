"""What was found out once and holds for long, within a bound: the oldest goes first. For any thread."""

import threading
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """Keeps at most `most` values. Looking up takes no lock."""

    __slots__ = ("_keeping", "_kept", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Key, Value] = {}
        self._keeping = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """Return what is kept under the key; None: nothing."""
        return self._kept.get(key)

    def keep(self, key: Key, value: Value) -> None:
        """Keep a value; what is new stands last."""
        with self._keeping:
            self._kept.pop(key, None)
            while len(self._kept) >= self._most:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = value
