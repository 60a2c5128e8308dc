"""The connections of the server: how many there may be, and how long each may keep it waiting.

A visitor needs a connection for seconds. A client that opens a thousand and sends nothing must not keep others out: a
connection without a request is closed after a while, and when all places are taken, the longest idle one goes first.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import time

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

try:
    import resource
except ImportError:  # Windows, where descriptors are not scarce
    resource = None  # type: ignore[assignment]

HEADER_TIMEOUT = 10.0  # seconds for a TLS handshake, and then for the head of a request
STALL_TIMEOUT = 60.0  # seconds without a byte taken of an answer
MAX_CONNECTIONS = 1000
RESERVED_DESCRIPTORS = 60  # listeners, logs, the event loop, a few files
RETRY_S = 1.0  # after the system had no descriptor left

logger = logging.getLogger("bodylens.connections")


def max_connections() -> int:
    """Return how many connections there may be: with a file each they stay below the limit of descriptors.

    A low soft limit is raised, as far as the hard one allows.
    """
    if resource is None:
        return MAX_CONNECTIONS
    wanted = 2 * MAX_CONNECTIONS + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 or soft >= wanted else max(8, (soft - RESERVED_DESCRIPTORS) // 2)


class Connection(H11Protocol):
    """HTTP on one connection; knows since when it has been waiting for a request, or for its answer to be taken."""

    since = 0.0
    unsent = 0
    lost: asyncio.Event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.since = time.monotonic()
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that the place is free."""
        super().connection_lost(exc)
        self.lost.set()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.since = time.monotonic()
        super().on_response_complete()

    @property
    def waiting(self) -> bool:
        """Whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete

    def is_overdue(self, now: float) -> bool:
        """Return whether it has kept the server waiting for too long; to be asked regularly."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self.unsent:
            self.since = now
        self.unsent = unsent
        if self.waiting and not unsent:
            # The end of TLS has its own time; what the system still holds is sent before that.
            return not self.transport.is_closing() and now - self.since > HEADER_TIMEOUT
        return bool(unsent) and now - self.since > STALL_TIMEOUT


class Places:
    """The places for connections, at all doors together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: dict[asyncio.Task[None], tuple[float, Connection | None]] = {}
        self._freed = asyncio.Event()

    async def accept(self, listener: socket.socket, config: Config, state: ServerState) -> None:
        """Accept connections until cancelled; the system's queue holds those for whom there is no place."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, _ = await loop.sock_accept(listener)
            except ConnectionError:  # gone before it was accepted
                continue
            except OSError as error:
                logger.warning("no connection can be accepted now: %s", error.strerror)
                await asyncio.sleep(RETRY_S)
                continue
            with contextlib.suppress(OSError):
                # Else the end of each answer waits for the other side to confirm its beginning: 40 ms.
                taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await self._find_place()
            except asyncio.CancelledError:
                taken.close()
                raise
            task = loop.create_task(self._hold(taken, config, state))
            self._held[task] = time.monotonic(), None
            task.add_done_callback(self._free)
            await asyncio.sleep(0)  # it begins: from now on it closes what it was given, and others have their turn

    async def _find_place(self) -> None:
        """Wait until there is a place for one more; nobody is let go before somebody comes."""
        while len(self._held) >= self.limit:
            self._let_go()
            self._freed.clear()
            await self._freed.wait()

    async def close(self) -> None:
        """Close all that are left."""
        held = list(self._held)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    def end_overdue(self) -> None:
        """Close the connections that have kept the server waiting for too long."""
        now = time.monotonic()
        for task, (_, connection) in list(self._held.items()):
            if connection and connection.is_overdue(now):
                task.cancel()

    async def _hold(self, taken: socket.socket, config: Config, state: ServerState) -> None:
        def make() -> Connection:
            return Connection(config, state, {})

        secure = config.ssl
        limits = {"ssl_handshake_timeout": HEADER_TIMEOUT, "ssl_shutdown_timeout": STALL_TIMEOUT} if secure else {}
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.connect_accepted_socket(make, taken, ssl=secure, **limits)
        except (OSError, ssl.SSLError):  # it does not speak TLS, or is gone
            return
        task = asyncio.current_task()
        assert task is not None
        self._held[task] = self._held[task][0], connection
        try:
            await connection.lost.wait()
        finally:
            if not connection.lost.is_set():
                connection.transport.abort()

    def _free(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
        self._freed.set()

    def _let_go(self) -> None:
        """End what has waited longest for a request, if anything does."""
        waiting = [
            (connection.since if connection else begun, task)
            for task, (begun, connection) in self._held.items()
            if connection is None or connection.waiting
        ]
        if waiting:
            min(waiting, key=lambda pair: pair[0])[1].cancel()
            logger.warning("all %d places for connections are taken: the longest idle one is closed", self.limit)
