"""`otel-interactions` and `python -m collector`: the command line, or what to install for it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from collector.cli import app  # noqa: PLC0415 - the light SDK has this script, but not what it needs
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed; the collector needs: pip install 'otel-interactions[collector]'")
    app()


if __name__ == "__main__":
    main()
