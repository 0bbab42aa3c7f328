"""What `configure()` may raise; nothing else in this package raises into an application.

Exception
`-- InteractionsError
    `-- ConfigurationError   a setting has a value it cannot have (also a ValueError)
"""

from __future__ import annotations


class InteractionsError(Exception):
    """The base of every exception of this package."""


class ConfigurationError(InteractionsError, ValueError):
    """A setting has a value it cannot have.

    Args:
        setting: the argument or environment variable at fault.
        problem: what is wrong with it.
        allowed: what would be right.
    """

    def __init__(self, setting: str, problem: str, allowed: str) -> None:
        super().__init__(f"{setting}: {problem}; allowed: {allowed}")
        self.setting = setting
        self.allowed = allowed
