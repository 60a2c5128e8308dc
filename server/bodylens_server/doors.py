"""The doors of the running server: several sockets with what answers there, opened and closed as one."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from bodylens_server.connections import Places, max_connections

SIGNALS = (signal.SIGINT, signal.SIGTERM)
FINISH = 30  # seconds for the answers that are under way when the server is told to stop
FAREWELL = 3  # seconds for the end of a connection after its last answer
QUEUE = 1024  # connections that the system holds until there is a place


@dataclass(frozen=True)
class Door:
    """A listening socket and its application; with a certificate and its key (PEM files) it speaks https."""

    listener: socket.socket
    app: ASGIApp
    certificate: Path | None = None
    key: Path | None = None


def count(answers: int) -> str:
    """Return so many answers in words: 1 answer, 2 answers."""
    return f"{answers} answer{'' if answers == 1 else 's'}"


class _Server(uvicorn.Server):
    """A uvicorn server that bounds its connections."""

    def __init__(self, config: uvicorn.Config, places: Places) -> None:
        super().__init__(config)
        self.places = places
        self._accepting: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to who runs all of them."""
        yield

    @property
    def open_answers(self) -> int:
        return len(self.server_state.tasks)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        for listener in sockets or []:
            listener.setblocking(False)
            listener.listen(QUEUE)
            accepting = self.places.accept(listener, self.config, self.server_state)
            self._accepting.append(asyncio.create_task(accepting))

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # a tick is 0.1 s
            self.places.end_overdue()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        parting = asyncio.create_task(self._part())
        try:
            await super().shutdown(sockets)
        finally:
            parting.cancel()

    async def _part(self) -> None:
        """Close what does not answer the end of TLS: for a phone that sleeps asyncio waits a minute."""
        since: dict[object, float] = {}
        while True:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if connection.transport.is_closing() and since.setdefault(connection, now) + FAREWELL < now:
                    connection.transport.abort()
            await asyncio.sleep(0.1)

    def cut_off(self) -> None:
        self.force_exit = True
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Doors:
    """Serve at every door until a signal comes. `tell` is given what a person should know meanwhile.

    `cut` is how many answers were cut off at the end.
    """

    def __init__(self, doors: Sequence[Door], tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.cut = 0
        self._stopping = False
        self._listeners = [door.listener for door in doors]
        self._places = Places(max_connections())
        self._servers = [
            _Server(
                uvicorn.Config(
                    door.app,
                    http="h11",
                    # Nothing here speaks WebSocket; with such a library installed uvicorn would leave it the answer.
                    ws="none",
                    ssl_certfile=door.certificate,
                    ssl_keyfile=door.key,
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    # Whoever asks may write what he likes into X-Forwarded-*, and nothing here depends on it.
                    proxy_headers=False,
                    timeout_graceful_shutdown=FINISH,
                ),
                self._places,
            )
            for door in doors
        ]

    def run(self) -> None:
        """Serve."""
        asyncio.run(self._serve())

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Take the signals that stop: the first one finishes what was begun, the second one ends at once."""
        before = {number: signal.signal(number, self._stop) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        under_way = sum(server.open_answers for server in self._servers)
        if self._stopping:
            self.cut = under_way
            for server in self._servers:
                server.cut_off()
            return
        self._stopping = True
        if under_way:
            self.tell(f"Finishing {count(under_way)}, for {FINISH} s at most. Ctrl-C again ends at once.")
        for server in self._servers:
            server.should_exit = True

    async def _serve(self) -> None:
        pairs = zip(self._servers, self._listeners, strict=True)
        await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in pairs))
        await self._places.close()
