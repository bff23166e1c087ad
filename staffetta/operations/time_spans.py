"""Time spans as .NET writes them."""

from staffetta.operations.errors import BadValue


def time_span(seconds: float) -> str:
    """Print as .NET does: `[days.]hours:minutes:seconds`."""
    whole = int(seconds)
    days, rest = divmod(whole, 86_400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days}.{clock}" if days else clock


def seconds_in(text: str, parameter: str) -> int:
    """Parse what time_span prints, also with hours above 23, as Exchange writes `24:00:00`. Raises BadValue."""
    days, dot, clock = text.strip().rpartition(".")
    parts = [days if dot else "0", *clock.split(":")]
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):
        raise BadValue(f"'{text}' is not a time span; write 2.00:00:00 or 12:00:00.", parameter=parameter)
    day, hour, minute, second = map(int, parts)
    return ((day * 24 + hour) * 60 + minute) * 60 + second
