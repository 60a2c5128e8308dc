"""A slow network in front of a server: a TCP proxy with the rates and the delay of Chrome's "Slow 4G" preset.

All connections share the link, as those of one phone do, so that together they get no more than its rate.
"""

import asyncio
import contextlib
import threading

DOWN = 1_600_000 / 8  # bytes a second. ref: Chrome DevTools, "Slow 4G", until 2024 "Fast 3G"
UP = 750_000 / 8
ROUND_TRIP = 0.15  # seconds
PIECE = 4096  # bytes; what one connection sends before another has its turn


class _Direction:
    """One direction of the link: bytes leave one after the other, and arrive half a round trip later."""

    def __init__(self, rate):
        self.rate = rate
        self.free = 0.0
        self.carried = 0

    async def carry(self, reader, writer):
        """Carry everything from a connection's one end to its other end."""
        under_way = asyncio.Queue(maxsize=64)
        arrival = asyncio.create_task(self._arrive(under_way, writer))
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE):
                self.carried += len(data)
                self.free = max(loop.time(), self.free) + len(data) / self.rate
                await asyncio.sleep(self.free - loop.time())
                await under_way.put((loop.time() + ROUND_TRIP / 2, data))
        await under_way.put((loop.time() + ROUND_TRIP / 2, b""))
        await arrival

    async def _arrive(self, under_way, writer):
        loop = asyncio.get_running_loop()
        gone = False
        while True:
            when, data = await under_way.get()
            await asyncio.sleep(when - loop.time())
            if not data:
                break
            try:
                if not gone:
                    writer.write(data)
                    await writer.drain()
            except OSError:
                gone = True  # what is still under way is dropped
        with contextlib.suppress(OSError):
            writer.write_eof()


class SlowLink:
    """A context in which `address` leads to a port of this machine through the slow link."""

    def __init__(self, port):
        self.port = port
        self.down, self.up = _Direction(DOWN), _Direction(UP)
        self.address = ""
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self):
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        connections = set()

        async def connect(reader, writer):
            task = asyncio.current_task()
            connections.add(task)
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await asyncio.sleep(ROUND_TRIP)  # the handshake of TCP
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await asyncio.gather(self.up.carry(reader, far_writer), self.down.carry(far_reader, writer))
                finally:
                    far_writer.close()
                    writer.close()
            connections.discard(task)

        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        self.address = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        self._started.set()
        await self._over.wait()
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
