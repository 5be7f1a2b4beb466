"""README and tutorial, run word for word: each command works, and shows what the document says it shows."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import environment, free_port

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "docs/tutorial.md"]
# Commands that are not run here, and why.
EXCEPTIONS = {"make test": "it is what CI runs beside this test"}
SERVER = "make serve"
IS_OPEN = "Stop with Ctrl-C"
PATIENCE = 600
FENCE = re.compile(r"^```(sh|text)\n(.*?)^```$|^(## )", re.MULTILINE | re.DOTALL)
DONE = "the block is done"


@dataclass
class Block:
    """Commands, and what the document shows of their output: the text block that follows in the same section."""

    commands: str
    shown: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines that have to appear; those with an ellipsis are shortened."""
        return [line for line in self.shown.splitlines() if line.strip() and "…" not in line]


def blocks_of(document: str) -> list[Block]:
    found: list[Block] = []
    is_open = False
    for kind, content, heading in FENCE.findall((ROOT / document).read_text(encoding="utf-8")):
        if heading:
            is_open = False
        elif kind == "sh":
            found.append(Block(content))
            is_open = True
        elif is_open:
            found[-1].shown = content
            is_open = False
    return found


def commands_of(block: Block) -> list[str]:
    """Its lines, without comments."""
    return [command for line in block.commands.splitlines() if (command := line.partition(" #")[0].strip())]


class Shell:
    """A terminal, in which what one block defines is there for the next."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "-e"],  # noqa: S607 - that of the people who read
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, commands: str) -> str:
        """What the commands say. A failure ends the shell, and the test."""
        bash = self._bash
        assert bash.stdin
        assert bash.stdout
        bash.stdin.write(f"{commands}\necho '{DONE}'\n")
        bash.stdin.flush()
        said: list[str] = []
        for line in bash.stdout:
            if line.strip() == DONE:
                return "".join(said)
            said.append(line)
        raise AssertionError(f"{commands}\nended with {bash.wait()}:\n{''.join(said)}")

    def close(self) -> None:
        self._bash.communicate(timeout=10)


@contextmanager
def served(variables: dict[str, str], said: list[str]) -> Iterator[None]:
    """What `make serve` starts, as it runs in a terminal of its own until Ctrl-C."""
    process = subprocess.Popen(  # noqa: S603 - as it stands in the documents
        SERVER.split(),
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    is_open = threading.Event()

    def listen() -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                said.append(line)
                if IS_OPEN in line:
                    is_open.set()
        is_open.set()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        assert is_open.wait(PATIENCE)
        assert process.poll() is None, "".join(said)
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)
        listener.join(timeout=60)


@pytest.fixture(scope="module")
def variables(folder: Path) -> dict[str, str]:
    """Those of a newcomer, whose home is empty; the shop of one document serves the next as well."""
    home = folder / "home"
    home.mkdir(mode=0o711)
    return environment(
        HOME=str(home), ZAVA_EMBEDDED__DATA_DIR=str(folder / "newcomer"), ZAVA_HTTP__PORT=str(free_port())
    )


def test_the_blocks_are_found() -> None:
    found = {document: blocks_of(document) for document in DOCUMENTS}
    assert [block.shown for block in found["README.md"] if "Zava is open at" in block.shown]
    assert len(found["docs/tutorial.md"]) >= 7
    assert all(commands_of(blocks[0])[0] == SERVER for blocks in found.values())


def test_every_exception_is_still_needed() -> None:
    commands = {command for document in DOCUMENTS for block in blocks_of(document) for command in commands_of(block)}
    assert EXCEPTIONS.keys() <= commands


@pytest.mark.timeout(900)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_newcomer_who_follows_the_document_sees_what_it_shows(document: str, variables: dict[str, str]) -> None:
    port = f"127.0.0.1:{variables['ZAVA_HTTP__PORT']}"
    first, *others = blocks_of(document)
    serving: list[str] = []
    said: list[tuple[Block, str]] = []
    assert set(commands_of(first)) <= {SERVER, *EXCEPTIONS}
    with served(variables, serving):
        shell = Shell(variables)
        try:
            for block in others:
                assert not set(commands_of(block)) & EXCEPTIONS.keys()
                said.append((block, shell.run(block.commands.replace("127.0.0.1:8000", port))))
        finally:
            shell.close()
    for block, output in [(first, "".join(serving)), *said]:
        missing = [line for line in block.lines if line.replace("127.0.0.1:8000", port) not in output]
        assert missing == [], output
