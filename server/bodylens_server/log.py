"""The log: a line for each answer, as text or as JSON, with nothing in it about who asked.

No address, no query, no header of the request: what is not written needs no protection.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FORMATS = ("text", "json")
LONGEST = 300  # characters of a path: what is longer is no address of ours
REPEAT_S = 60.0  # seconds in which the same message is written once
MAX_MESSAGES = 1000  # that are remembered for this

logger = logging.getLogger("bodylens.access")


def entry_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line says: of an answer its fields, of anything else its level and message."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    found: dict[str, Any] = {"time": moment.replace("+00:00", "Z")}
    answer: Mapping[str, Any] | None = getattr(record, "answer", None)
    if answer:
        return found | dict(answer)
    found |= {"level": record.levelname.lower(), "message": record.getMessage()}
    if record.exc_info:
        found["error"] = logging.Formatter().formatException(record.exc_info)
    return found


def path_of(target: bytes) -> str:
    """Return the path as it came, percent-encoded: none can forge a line. Neither query nor host are part of it."""
    return target.partition(b"?")[0].decode("latin-1")[:LONGEST] if target.startswith(b"/") else "-"


class Text(logging.Formatter):
    """`2026-01-31T12:00:00.000Z GET /app/page/main.js 200 1234 B 5.6 ms`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = entry_of(record)
        if "path" in entry:
            return "{time} {method} {path} {status} {bytes} B {ms} ms".format_map(entry)
        error = f"\n{entry['error']}" if "error" in entry else ""
        return "{time} {level}: {message}".format_map(entry) + error


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(entry_of(record))


class Throttle(logging.Filter):
    """Let the same message through once a minute, with how often it came meanwhile; every answer passes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.clock = clock
        self._written: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether it is written."""
        if hasattr(record, "answer"):
            return True
        # What asyncio adds in further lines, the socket or the task, is another each time.
        key, now = (record.name, str(record.msg).partition("\n")[0]), self.clock()
        if now - self._written.get(key, -REPEAT_S) < REPEAT_S:
            self._held[key] = self._held.get(key, 0) + 1
            return False
        if len(self._written) > MAX_MESSAGES:
            self._written.clear()
            self._held.clear()
        self._written[key] = now
        if held := self._held.pop(key, 0):
            record.msg, record.args = f"{record.getMessage()} ({held} more since the last of these)", ()
        return True


def start(form: str | None, stream: TextIO | None = None) -> None:
    """Write the log, and what the server itself has to say, to `stream` (standard error). None: only warnings."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json() if form == "json" else Text())
    handler.addFilter(Throttle())
    levels = {"bodylens": logging.INFO if form else logging.WARNING, "uvicorn": logging.WARNING}
    for name, level in {**levels, "asyncio": logging.WARNING}.items():
        source = logging.getLogger(name)
        source.handlers = [handler]
        source.setLevel(level)
        source.propagate = False


class AccessLog:
    """Write a line for each answer once it is sent, or was cut off."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; count what goes out."""
        if scope["type"] != "http" or not logger.isEnabledFor(logging.INFO):
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status, size = 0, 0

        async def count(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and scope["method"] != "HEAD":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, count)
        finally:
            answer = {
                "method": scope["method"],
                "path": path_of(scope["raw_path"]),
                "status": status,
                "bytes": size,
                "ms": round(1000 * (time.perf_counter() - begun), 1),
            }
            logger.info("%s", answer["path"], extra={"answer": answer})
