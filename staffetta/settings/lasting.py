"""What a running relay keeps of its settings until it starts anew."""

from staffetta.settings.model import Settings

NEEDS_RESTART = ("hostname", "data_dir", "run_as", "workers", "listeners", "console", "capture", "drop", "log", "acme")


def without_restart(settings: Settings, before: Settings) -> tuple[Settings, list[str]]:
    """Return new settings with those before where only a restart changes them, and the names of these."""
    late = [name for name in NEEDS_RESTART if getattr(settings, name) != getattr(before, name)]
    return settings.model_copy(update={name: getattr(before, name) for name in late}), late
