"""What a process that a test starts needs to import what the test can."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def import_path(*first: str | Path) -> str:
    """Return a PYTHONPATH: these folders, then those of this process, each by its whole path.

    It holds wherever the child or the tests run, and a wheel under test is what the child imports too.
    """
    return os.pathsep.join(str(Path(folder).absolute()) for folder in (*first, *filter(None, sys.path)))
