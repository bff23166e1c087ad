"""Which role groups may do what; each operation names one of these."""

from staffetta.operations.roles import Role

CHANGE = frozenset({Role.ORGANIZATION_MANAGEMENT})
"""Change what the relay does."""
READ = frozenset({Role.ORGANIZATION_MANAGEMENT, Role.VIEW_ONLY})
"""See how the relay is set up."""
LOOK_INTO = READ | {Role.HELP_DESK}
"""See whether and where mail is taken."""
TRACE = LOOK_INTO | {Role.COMPLIANCE}
"""See what became of mail, and why."""
HELP = frozenset({Role.ORGANIZATION_MANAGEMENT, Role.HELP_DESK})
"""Do what a user calls for: try mail again, a new password for a device."""
REVIEW = frozenset({Role.ORGANIZATION_MANAGEMENT, Role.COMPLIANCE})
"""See who changed what."""
READ_MAIL = REVIEW
"""See what mail itself says; each time is written down."""
