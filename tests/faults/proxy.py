"""A port of this machine that leads to PostgreSQL, and fails as networks and databases do."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHUNK = 65_536


class Proxy:
    """Runs in a thread of its own; a test tells it what to do.

    Attributes:
        port: where it listens.
        delay: seconds for which each message to the database is held back.
    """

    def __init__(self, socket: Path) -> None:
        self.port = 0
        self.delay = 0.0
        self._socket = socket
        self._loop = asyncio.new_event_loop()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._connections: set[asyncio.Task[None]] = set()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def cut(self) -> None:
        """Ends every connection there is, whatever is on its way."""
        self._tell(lambda: [connection.cancel() for connection in self._connections])

    def freeze(self) -> None:
        """Nothing comes through any more, and nobody is told so."""
        self._tell(self._thawed.clear)

    def thaw(self) -> None:
        self._tell(self._thawed.set)

    def start(self) -> None:
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        self._tell(self._loop.stop)
        self._thread.join()

    def _tell(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listener = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = listener.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        listener.close()
        for connection in self._connections:
            connection.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._connections, return_exceptions=True))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with suppress(OSError, asyncio.CancelledError):
            await self._connect(reader, writer)
        self._connections.discard(task)
        writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._thawed.wait()
        answers, questions = await asyncio.open_unix_connection(str(self._socket))
        ways = [
            asyncio.create_task(self._pass_on(reader, questions, held_back=True)),
            asyncio.create_task(self._pass_on(answers, writer, held_back=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            questions.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, held_back: bool) -> None:
        while data := await source.read(CHUNK):
            if held_back and self.delay:
                await asyncio.sleep(self.delay)
            await self._thawed.wait()
            target.write(data)
            await target.drain()


@contextmanager
def proxy_to(socket: Path) -> Iterator[Proxy]:
    proxy = Proxy(socket)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
