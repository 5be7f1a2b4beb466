"""A chart as a Vega-Lite specification and a picture."""

import asyncio
import json
import logging
import os
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from zava.adapters.charts.specification import specify
from zava.core.charts import Chart, Picture
from zava.core.errors import ChartError
from zava.core.ports import ChartRenderer

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 15
PACKAGES = ("vl_convert", "PIL")
WORKER = (sys.executable, "-P", "-m", "zava.adapters.charts.worker")
LENGTH = struct.Struct(">I")


class VegaLiteCharts(ChartRenderer):
    """Draws one chart at a time in a process that is started at the first, and replaced when it hangs or dies."""

    def __init__(self, worker: Sequence[str] = WORKER, longest_seconds: float = LONGEST_SECONDS) -> None:
        """Costs nothing.

        Args:
            worker: the command of the process that draws.
            longest_seconds: that one chart may take, its waiting included.
        """
        self._worker = worker
        self._longest_seconds = longest_seconds
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def draw(self, chart: Chart) -> Picture:
        if missing := next((package for package in PACKAGES if find_spec(package) is None), None):
            raise ChartError(f"{missing} is not installed; for the operator: pip install 'zava[charts]'")
        specification = specify(chart)
        try:
            async with asyncio.timeout(self._longest_seconds), self._turn:
                png = await self._drawn(specification)
        except TimeoutError:
            raise ChartError("drawing takes too long at present; ask again later") from None
        except (OSError, asyncio.IncompleteReadError) as error:
            logger.warning("The process that draws charts failed: %s", type(error).__name__)
            raise ChartError("drawing failed") from None
        if not png:
            logger.warning("A chart was not drawn: %s", chart.mark)
            raise ChartError("drawing failed")
        return Picture(png, chart.alt, specification)

    async def close(self) -> None:
        """Ends the process. Whoever asks afterwards gets a ChartError."""
        self._closed = True
        await self._end()

    async def _drawn(self, specification: Mapping[str, object]) -> bytes:
        if self._closed:
            raise ChartError("the server is closing")
        process = await self._running()
        if process.stdin is None or process.stdout is None:
            raise OSError("the process has no pipes")
        done = False
        try:
            process.stdin.write(json.dumps(specification).encode() + b"\n")
            await process.stdin.drain()
            (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
            png = await process.stdout.readexactly(length)
            done = True
        finally:
            # Its answer would be taken for that of the next chart.
            if not done:
                await self._end()
        return png

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            # It gets to know where the packages are, and none of the server's secrets.
            environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._process = await asyncio.create_subprocess_exec(
                *self._worker,
                stdin=PIPE,
                stdout=PIPE,
                env=environment,
                start_new_session=True,  # what interrupts the server at a keyboard is not for it
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()
