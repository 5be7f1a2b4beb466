"""The wheel and the sdist: what is in them, and that each ends in a server that answers."""

import hashlib
import re
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fastmcp import Client

from tests.e2e.conftest import start_server
from tests.packaging.conftest import AWAY, LOCK, ROOT, UV, install, must


def files_below(folder: Path, prefix: str) -> dict[str, bytes]:
    """What the source tree has there, without what Python leaves beside it."""
    return {
        f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_carries_code_schema_and_assets_and_nothing_else(wheel: Path) -> None:
    carried = {name: content for name, content in contents(wheel).items() if ".dist-info/" not in name}
    assert carried == files_below(ROOT / "src" / "zava", "zava") | files_below(ROOT / "schema", "zava/schema")
    # The comparison would not notice a source tree that has lost them.
    assert {name.rsplit(".", 1)[-1] for name in carried} >= {"py", "sql", "html", "css", "js", "toml", "txt", "typed"}


def test_the_wheel_carries_every_licence(wheel: Path) -> None:
    licences = {name.partition(".dist-info/licenses/")[2] for name in contents(wheel)}
    assert licences >= {
        "LICENSE",
        "src/zava/adapters/embeddings/minilm/LICENSE",
        "src/zava/adapters/embeddings/minilm/NOTICE",
    }


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, folder: Path) -> None:
    must(*UV, "build", "--wheel", "--build-constraints", LOCK, "--out-dir", folder / "again", sdist, cwd=folder)
    (again,) = (folder / "again").glob("*.whl")
    assert contents(again) == contents(wheel)


def test_the_sdist_has_what_its_documents_name_and_nothing_of_this_machine(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {
        "README.md",
        "Makefile",
        "requirements.lock",
        "docs/reference/settings.md",
        "tests/fakes.py",
        "examples/shop/stores.csv",
        "observability/prometheus-rules.yaml",
    }
    strange = (".venv", "__pycache__", "node_modules", ".git/", "build/", "dist/")
    assert [name for name in names if any(part in name for part in strange)] == []


def from_wheel(wheel: Path, _: Path, place: Path) -> Sequence[str]:
    return install(place, wheel, "embedded").program


def from_sdist(_: Path, sdist: Path, place: Path) -> Sequence[str]:
    return install(place, sdist, "embedded").program


def by_uvx(wheel: Path, _: Path, __: Path) -> Sequence[str]:
    """`uvx` is `uv tool run`."""
    return [*map(str, (*UV, "tool", "run", "--constraints", LOCK, "--from", f"{wheel}[embedded]", "zava"))]


@pytest.mark.parametrize("installed", [from_wheel, from_sdist, by_uvx])
async def test_what_was_installed_serves_answers_and_stops(
    installed: Callable[[Path, Path, Path], Sequence[str]], wheel: Path, sdist: Path, folder: Path
) -> None:
    program = installed(wheel, sdist, folder / installed.__name__)
    data_dir = folder / f"shop {installed.__name__}"
    server = start_server(data_dir, "--scale", "0.003", program=program, **AWAY)
    try:
        async with Client(server.url, auth="demo-store-seattle") as client:
            answer = await client.call_tool("get_store_performance", {"period": "last_month"})
    finally:
        code = server.stop()
    assert answer.structured_content is not None
    assert answer.structured_content["store"]["stores"] == ["Seattle"]
    assert code == 0, "".join(server.errors)
    assert not (data_dir / ".s.PGSQL.5432").exists(), "PostgreSQL runs on"


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_the_image_needs_no_compiler(wheel: Path, folder: Path, processor: str) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (python,) = re.findall(r"^FROM python:(\d+\.\d+)-slim", dockerfile, re.MULTILINE)
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)", dockerfile, re.MULTILINE)
    wanted = f"zava[{extras}] @ {wheel.as_uri()}#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    target = (
        "--python-version",
        python,
        "--python-platform",
        f"{processor}-unknown-linux-gnu",
        "--target",
        folder / "no",
    )
    must(
        *(*UV, "pip", "install", "--python", sys.executable, "--dry-run", *target),
        *("--only-binary", ":all:", "--require-hashes", "--constraints", LOCK, wanted),
        cwd=folder,
    )
