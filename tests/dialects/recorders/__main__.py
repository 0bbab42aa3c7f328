"""`python -m recorders DIALECT OTLP_HTTP_ENDPOINT MODEL_URL SESSION USER`."""

from __future__ import annotations

import importlib
import os
import sys

from recorders import DIALECTS
from recorders.common import Run

dialect, *where = sys.argv[1:]
recorder = DIALECTS[dialect]
flush = getattr(importlib.import_module(f"recorders.{recorder.module}"), dialect)(Run(*where))
flush()
os._exit(0)  # what the libraries leave running would wait for itself
