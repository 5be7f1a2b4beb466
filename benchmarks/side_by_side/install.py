"""The others, in pinned versions, in a folder of their own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

TOOLBOX = "toolbox-server==1.15.0"
POSTGRES_MCP = "postgres-mcp==0.3.0"
# What it asks for, but for pglast, whose version it wants is not served any more.
ITS_LIBRARIES = (
    "mcp[cli]==1.30.0",
    "psycopg[binary]==3.3.9",
    "psycopg-pool==3.3.3",
    "humanize==4.17.0",
    "pglast==8.8",
    "attrs==26.1.0",
    "instructor==1.17.0",
)
OF_NPM = {"@bytebase/dbhub": "1.4.0", "@modelcontextprotocol/server-postgres": "0.6.2"}
# dbhub needs a newer one than distributions have.
NODE = compute_driver_executable()[0]


@dataclass(frozen=True)
class Peers:
    """Where the others are installed."""

    folder: Path

    @property
    def toolbox(self) -> Path:
        return self.folder / "toolbox" / "toolbox_server" / "bin" / "toolbox"

    @property
    def postgres_mcp(self) -> Path:
        """The folder that Python finds it in."""
        return self.folder / "postgres-mcp"

    @property
    def dbhub(self) -> Path:
        return self._module("@bytebase/dbhub/dist/index.js")

    @property
    def server_postgres(self) -> Path:
        return self._module("@modelcontextprotocol/server-postgres/dist/index.js")

    def _module(self, path: str) -> Path:
        return self.folder / "npm" / "node_modules" / path

    def install(self) -> None:
        """Installs what is missing. Needs pip's and npm's indexes, and npm."""
        if not self.toolbox.exists():
            _pip(self.folder / "toolbox", TOOLBOX)
        if not (self.postgres_mcp / "postgres_mcp").exists():
            _pip(self.postgres_mcp, *ITS_LIBRARIES)
            # It wants Python 3.12 for one name of `typing`, which it is given when it starts.
            _pip(self.postgres_mcp, "--no-deps", "--ignore-requires-python", POSTGRES_MCP)
        if not (self.dbhub.exists() and self.server_postgres.exists()):
            folder = self.folder / "npm"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package.json").write_text(
                json.dumps({"private": True, "dependencies": OF_NPM}), encoding="utf-8"
            )
            # What dbhub would compile is for databases other than PostgreSQL.
            _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)


def versions() -> str:
    """All of them, in a line."""
    of_npm = [f"{name.rpartition('/')[2]} {version}" for name, version in OF_NPM.items()]
    return ", ".join([TOOLBOX.replace("==", " "), *of_npm, POSTGRES_MCP.replace("==", " ")])


def _pip(folder: Path, *arguments: str) -> None:
    _run(sys.executable, "-m", "pip", "install", "-qq", "--target", str(folder), "--upgrade", *arguments)


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - pinned above
