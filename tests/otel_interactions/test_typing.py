"""What type checkers of users see."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_users_keep_their_types():
    """mypy, strict, accepts the public surface as `typing_api.py` uses it, and refuses what that file says it must."""
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", str(HERE / "typing_api.py")],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=HERE.parents[1],
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
