"""Replies: the type, every reply that we send, by name, and the reading of others' (RFC 5321 §4.2, RFC 3463).

Rule 1: nothing else in the product writes a reply text.
Rule 2: the class of the enhanced code comes from the code and is never written.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of one or more lines.

    code: 200 to 599. subject_detail: RFC 3463 without its class, such as "7.64"; None where RFC 2034 has none.
    text: one line of printable ASCII; lines after the first follow in `more`.
    """

    code: int
    subject_detail: str | None
    text: str
    more: tuple[str, ...] = ()
    wire: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        enhanced = f"{self.code // 100}.{self.subject_detail} " if self.subject_detail else ""
        lines = (self.text, *self.more)
        last = len(lines) - 1
        text = "".join(
            f"{self.code}{' ' if index == last else '-'}{enhanced}{line}\r\n" for index, line in enumerate(lines)
        )
        object.__setattr__(self, "wire", text.encode("ascii"))

    @property
    def is_positive(self) -> bool:
        return self.code < 400

    @property
    def enhanced_code(self) -> str | None:
        """ "5.7.64", or None."""
        return f"{self.code // 100}.{self.subject_detail}" if self.subject_detail else None

    def __str__(self) -> str:
        return self.wire.decode("ascii").rstrip("\r\n").replace("\r\n", " ")
