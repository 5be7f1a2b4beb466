"""How long from a clean clone to the first right answer: with an empty package cache, with packages, and warm?"""

import argparse
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import httpx2
from side_by_side.servers import free_port

REPOSITORY = Path(__file__).parents[1]
QUESTION = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "get_store_performance",
        "arguments": {"period": "last_month"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
        },
    },
}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Authorization": "Bearer demo-store-seattle",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "get_store_performance",
}
LONGEST_SECONDS = 600


def first_right_answer(clone: Path, data_dir: Path, variables: dict[str, str]) -> float:
    """Seconds from `make serve` to the first answer that has sales of the one store in it."""
    port = free_port()
    started = time.perf_counter()
    server = subprocess.Popen(  # noqa: S603 - our own Makefile
        ["make", "-s", "serve", f"ARGS=--port {port} --data-dir {data_dir}"],  # noqa: S607
        cwd=clone,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with httpx2.Client() as client:
            while time.perf_counter() - started < LONGEST_SECONDS and server.poll() is None:
                try:
                    answer = client.post(f"http://127.0.0.1:{port}/mcp", json=QUESTION, headers=HEADERS, timeout=60)
                except httpx2.TransportError:
                    time.sleep(0.01)
                    continue
                result = answer.json()["result"]["structuredContent"]
                if result["store"]["stores"] == ["Seattle"] and result["metrics"]["revenue"]["value"] > 0:
                    return time.perf_counter() - started
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(timeout=60)
    raise SystemExit("no right answer came")


def warm_runs(clone: Path, data_dir: Path, runs: int) -> None:
    warm = sorted(first_right_answer(clone, data_dir, {}) for _ in range(runs))
    print(f"warm, {runs} runs: {warm[0]:.2f} / {warm[runs // 2]:.2f} / {warm[-1]:.2f} s (min / median / max)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warm-runs", type=int, default=5)
    parser.add_argument("--here", type=Path, help="only warm, in this checkout, with this data directory")
    arguments = parser.parse_args()
    if arguments.here:
        warm_runs(REPOSITORY, arguments.here, arguments.warm_runs)
        return
    folder = Path(tempfile.mkdtemp(prefix="zava-benchmark-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        subprocess.run(  # noqa: S603 - our own repository
            ["git", "clone", "-q", REPOSITORY, folder / "clone"],  # noqa: S607
            check=True,
        )
        empty = {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}
        cold = first_right_answer(folder / "clone", folder / "first", empty)
        print(f"clean clone, no package cache, new shop: {cold:.1f} s", flush=True)
        installed = first_right_answer(folder / "clone", folder / "second", {})
        print(f"packages installed, new shop: {installed:.1f} s", flush=True)
        warm_runs(folder / "clone", folder / "second", arguments.warm_runs)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
