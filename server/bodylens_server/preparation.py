"""Makes models ready while the page is served: in a process of its own, which leaves the machine to the page."""

import os
import subprocess
import sys
from collections.abc import Iterable

from bodylens_models import catalogue, store


class Preparation:
    """Fetches and converts what is not here yet of some models; a context, which stops it at its end.

    What cannot be had now is no matter: the page says of each model how it stands, and the next start tries again.

    Args:
        names: of the models.

    """

    def __init__(self, names: Iterable[str]) -> None:
        self.wanted = [name for name in names if any(_is_missing(label) for label in catalogue.together([name]))]
        self.process: subprocess.Popen[bytes] | None = None

    def names(self) -> list[str]:
        """Name the models that are still to come."""
        if self.process is None or self.process.poll() is not None:
            return []
        return self.wanted

    def __enter__(self) -> "Preparation":
        """Begin."""
        if self.wanted:
            command = [sys.executable, "-m", "bodylens_server.command", "models", "fetch", *self.wanted]
            # Ctrl-C is for the server, which ends this.
            silent = subprocess.DEVNULL
            self.process = subprocess.Popen(command, stdout=silent, stderr=silent, start_new_session=True)  # noqa: S603
            if hasattr(os, "setpriority"):
                os.setpriority(os.PRIO_PROCESS, self.process.pid, 19)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what is half done is begun anew at the next start."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def _is_missing(label: str) -> bool:
    name, _, variant = label.partition("+")
    return store.state(name, variant or None).state == "fetchable"
