"""The files as Grafana reads them."""

from __future__ import annotations

import json
from typing import Any

import yaml

from dashboards import build, classic
from dashboards.boards import ALL

Json = dict[str, Any]


def boards() -> list[Json]:
    """Return the boards, in the order of their names."""
    return [json.loads(path.read_text()) for path in sorted((build.FOLDER / build.BOARDS).glob("*.json"))]


def rules() -> Json:
    """Return the file of alert rules."""
    return _yaml("alerting")


def sources() -> Json:
    """Return the file of data sources."""
    return _yaml("datasources")


def providers() -> Json:
    """Return the file that says where boards lie."""
    return _yaml("dashboards")


def shows_content() -> frozenset[tuple[str, str]]:
    """Return board and panel of those that show what was said."""
    return frozenset(
        (board.uid, panel.title) for board in ALL for row in board.rows for panel in row.panels if panel.shows_content
    )


def _yaml(folder: str) -> Json:
    found: Json = yaml.safe_load((build.FOLDER / folder / f"{classic.TAG}.yaml").read_text())
    return found
