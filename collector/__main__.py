"""`otel-interactions` and `python -m collector`: the command line, or what to install for it.

The light SDK has this script, and the verbs it brings itself; not what the others need.
"""

from __future__ import annotations

import sys

from collector.brought import brought


def main() -> None:
    """Run the command line."""
    try:
        from collector.cli import app  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        verb = brought(sys.argv[1]) if len(sys.argv) > 1 else None
        if verb is not None:
            sys.exit(verb(sys.argv[2:]))
        sys.exit(f"{error.name} is not installed; the collector needs: pip install 'otel-interactions[collector]'")
    app()


if __name__ == "__main__":
    main()
