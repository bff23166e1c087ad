"""A worker's share of the limits that are of the whole relay.

Rule: in sum the workers never allow more than the settings say; one alone may allow less (docs/decisions/124).
"""

import os

from staffetta.settings.model import Settings

_OF_ALL = (
    "connections_max",
    "connections_per_address_max",
    "connections_per_known_address_max",
    "connections_per_minute_max",
    "messages_per_minute_max",
    "recipients_per_minute_max",
    "unknown_recipients_per_minute_max",
    "errors_per_minute_max",
    "octets_held_max",
    "backlog_recipients_max",
)
_OF_ALL_IN_QUEUE = ("active_messages_max", "active_octets_max")


def workers_of(settings: Settings) -> int:
    """Return how many workers there are."""
    return len(os.sched_getaffinity(0)) if settings.workers == "auto" else settings.workers


def share(settings: Settings, workers: int) -> Settings:
    """Return the settings with the share of one of so many workers, each limit at least 1."""
    if workers == 1:
        return settings
    limits = {name: max(1, getattr(settings.limits, name) // workers) for name in _OF_ALL}
    queue = {name: max(1, getattr(settings.queue, name) // workers) for name in _OF_ALL_IN_QUEUE}
    return settings.model_copy(
        update={
            "limits": settings.limits.model_copy(update=limits),
            "queue": settings.queue.model_copy(update=queue),
        }
    )
