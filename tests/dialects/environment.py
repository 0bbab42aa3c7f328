"""Environments that have the packages of the recorders, made in `.cache` on first use and after a change of them."""

from __future__ import annotations

import fcntl
import platform
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements")
ENVIRONMENTS = Path(__file__).parents[2] / ".cache" / "dialects"
UV = [sys.executable, "-m", "uv"]


def python(name: str) -> Path:
    """Return the Python of an environment, made first where it is not as its requirements say.

    A lock lets one process make it while the others wait, as parallel test workers would all begin.
    """
    folder = ENVIRONMENTS / name
    requirements = REQUIREMENTS / f"{name}.txt"
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready, wanted = folder / ".ready", f"{platform.python_version()}\n{requirements.read_text()}"
        if not ready.exists() or ready.read_text() != wanted:
            print(f"==> installing {requirements.name} into {folder}", flush=True)
            _make(folder, requirements)
            ready.write_text(wanted)
    return folder / "bin" / "python"


def _make(folder: Path, requirements: Path) -> None:
    """Make an environment anew with uv, as pip takes ten times as long; with pip where only that reaches an index."""
    subprocess.run([*UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
    wanted = ["--quiet", "--no-deps", "-r", requirements]
    try:
        subprocess.run([*UV, "pip", "install", "--python", folder / "bin" / "python", *wanted], check=True)
    except subprocess.CalledProcessError:
        pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", *wanted], check=True)
