"""The server as strangers see it: programs of npm, run by the Node that Playwright brings, and agents of others."""

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from tests.e2e.conftest import SCALE, Server, free_port, start_server
from tests.postgres import reachable_folder

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER / "node_modules" / ".bin"
NODE = compute_driver_executable()[0]
TOKEN = "demo-store-seattle"
LONGEST_SECONDS = 100


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of node_modules, or a script of this folder, to its end."""
    script = PROGRAMS / program if (PROGRAMS / program).exists() else FOLDER / program
    return subprocess.run(  # noqa: S603 - pinned by package-lock.json
        [NODE, str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    if not PROGRAMS.exists():
        # `make conformance` installs them.
        assert shutil.which("npm"), "npm is needed to install the conformance suite: apt-get install npm"
        pytest.fail("The programs of tests/conformance/package.json are not installed: run make conformance")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with reachable_folder() as folder:
        server = start_server(folder / "shop", "--scale", SCALE)
        yield server
        assert server.stop() == 0


class SigningProxy:
    """Passes connections on and adds a token to each request: the conformance suite knows no tokens.

    Everything else goes through as it came, byte by byte. The suite sends no chunked bodies.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.port = free_port()

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        async with await asyncio.start_server(self._connect, "127.0.0.1", self.port):
            ready.set()
            await stop.wait()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(answers, writer))
                group.create_task(self._sign(reader, requests))
        except* (ConnectionError, asyncio.IncompleteReadError):
            pass  # one of the two has gone, and so goes the other
        finally:
            writer.close()
            requests.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        raise ConnectionError

    async def _sign(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            first, _, rest = head.partition(b"\r\n")
            length = next(
                (
                    int(line.partition(b":")[2])
                    for line in rest.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                ),
                0,
            )
            writer.write(first + b"\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n" + rest)
            writer.write(await reader.readexactly(length))
            await writer.drain()


@pytest.fixture(scope="session")
def signed_url(server: Server) -> Iterator[str]:
    """The server for those who send no token."""
    proxy = SigningProxy(int(server.url.split(":")[2].split("/")[0]))
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(proxy.serve(ready, stop)))
    thread.start()
    assert ready.wait(timeout=10)
    yield f"http://127.0.0.1:{proxy.port}/mcp"
    loop.call_soon_threadsafe(stop.set)
    thread.join(timeout=60)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()
