"""Everything that Grafana is provisioned with, as files: path below `provisioning/` -> text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from dashboards import alerts, classic
from dashboards.boards import ALL

FOLDER: Final = Path(__file__).parent / "provisioning"
BOARDS: Final = f"dashboards/{classic.TAG}"
_WRITTEN: Final = "# Written by `make dashboards`: change the Python and SQL beside it, not this file.\n"


def files() -> dict[str, str]:
    """Return all files that are generated; those written by hand are beside them."""
    made = {f"{BOARDS}/{board.uid}.json": _json(classic.dashboard(board)) for board in ALL}
    rules = yaml.dump(alerts.provisioning(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return made | {f"alerting/{classic.TAG}.yaml": _WRITTEN + rules}


def differing() -> list[str]:
    """Return the files that are not what the code makes, also those it does not make (any more)."""
    made = files()
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.glob(f"{BOARDS}/*")}
    wrong = [name for name, text in made.items() if not _holds(FOLDER / name, text)]
    return sorted({*wrong, *(there - made.keys())})


def write() -> list[str]:
    """Write what differs; return the names."""
    made, wrong = files(), differing()
    for name in wrong:
        path = FOLDER / name
        if name in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[name])
        else:
            path.unlink()
    return wrong


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # it ships no types
    """YAML with SQL as blocks of lines, and without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write what stands twice twice."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
