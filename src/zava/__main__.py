"""The command line. Each command imports what it needs, so that --help and --version answer at once."""

import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from cyclopts import App, Parameter
from cyclopts.validators import Number
from pydantic_settings import SettingsError

from zava.core.errors import SetupError
from zava.settings import Settings

app = App(
    name="zava",
    version=version("zava"),
    help="Answer assistants' questions about a chain of shops. Settings are ZAVA_… variables.",
)
db = App(name="db", help="Look after the database.")
app.command(db)
queries = App(name="queries", help="List the queries of free SQL that run, and stop one.")
app.command(queries)
audit = App(name="audit", help="Who asked what: look at the audit trail, verify it, prune it.")
app.command(audit)

DataDir = Annotated[Path | None, Parameter(help="Where the embedded PostgreSQL keeps its data.")]
Scale = Annotated[float | None, Parameter(help="Size of the sample shop when it is made; 0 is an empty shop.")]


@app.command
def serve(
    *,
    transport: Annotated[Literal["http", "stdio"], Parameter(help="How clients connect.")] = "http",
    host: Annotated[str | None, Parameter(help="Address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on.")] = None,
    data_dir: DataDir = None,
    scale: Scale = None,
) -> None:
    """Serve MCP clients; without ZAVA_DATABASE__DSN, from a sample shop on an embedded PostgreSQL."""
    from zava.commands.serve import serve_http, serve_stdio

    settings = _settings(http={"host": host, "port": port}, embedded={"data_dir": data_dir, "scale": scale})
    if transport == "http":
        serve_http(settings)
    else:
        serve_stdio(settings)


@db.command
def migrate(*, data_dir: DataDir = None) -> None:
    """Bring the database to the schema of this program."""
    from zava.commands.db import migrate_database

    migrate_database(_settings(embedded={"data_dir": data_dir}))


@db.command
def status(*, data_dir: DataDir = None) -> None:
    """Show which steps of the schema are applied, and which are due."""
    from zava.commands.db import show_status

    show_status(_settings(embedded={"data_dir": data_dir}))


@db.command
def seed(*, data_dir: DataDir = None, scale: Scale = None) -> None:
    """Make the sample shop, or add the days since it was made."""
    from zava.commands.db import seed_database

    seed_database(_settings(embedded={"data_dir": data_dir, "scale": scale}))


@db.command
def rollup(*, data_dir: DataDir = None) -> None:
    """Sum the days whose sales have changed, so that questions need not read their orders."""
    from zava.commands.rollup import roll_up

    roll_up(_settings(embedded={"data_dir": data_dir}))


@app.command
def embed(
    *,
    data_dir: DataDir = None,
    provider: Annotated[Literal["local", "openai"] | None, Parameter(help="Who says what texts mean.")] = None,
    model: Annotated[str | None, Parameter(help="The model; the old one serves until it is complete.")] = None,
    batch: Annotated[
        int, Parameter(help="Products a step. What is done is kept after each.", validator=Number(gte=1))
    ] = 64,
    index: Annotated[bool, Parameter(help="Make an index too: worth it from 20,000 products.", negative="")] = False,
) -> None:
    """Embed new and changed products, so that they are found by meaning."""
    from zava.commands.embed import embed_products

    settings = _settings(embedded={"data_dir": data_dir}, embedding={"provider": provider, "model": model})
    if model is not None and settings.embedding.provider == "local":
        raise SetupError("The local provider has one model: leave out --model, or add --provider openai.")
    embed_products(settings, batch, index=index)


@app.command
def doctor(*, data_dir: DataDir = None) -> None:
    """Check everything Zava needs, and say what to do about the rest."""
    from zava.commands.doctor import examine

    sys.exit(examine(_settings(embedded={"data_dir": data_dir})))


@queries.default
def running(*, data_dir: DataDir = None) -> None:
    """List the queries of free SQL that run: process, state, how long, who asked, and the text."""
    from zava.commands.queries import list_queries

    list_queries(_settings(embedded={"data_dir": data_dir}))


@queries.command
def stop(pid: Annotated[int, Parameter(help="Its process, as listed.")], /, *, data_dir: DataDir = None) -> None:
    """Stop a query. Whoever asked it is told; their connection serves the next one."""
    from zava.commands.queries import stop_query

    stop_query(_settings(embedded={"data_dir": data_dir}), pid)


FormerKey = Annotated[
    list[Path] | None, Parameter(help="A key that was replaced since, for the rows of its time.", negative="")
]


@audit.command
def tail(  # noqa: PLR0913 - what one may want to see
    *,
    follow: Annotated[bool, Parameter(help="Go on with calls as they come to the database.", negative="")] = False,
    principal: Annotated[str | None, Parameter(help="Calls of this person alone, by name or id.")] = None,
    tool: Annotated[str | None, Parameter(help="Calls of this tool alone.")] = None,
    since: Annotated[str | None, Parameter(help="Calls since then alone: 30m, 12h, 7d, or a moment in UTC.")] = None,
    lines: Annotated[int, Parameter(help="Calls at most, before those that follow.", validator=Number(gte=1))] = 50,
    as_json: Annotated[bool, Parameter(name="--json", help="A JSON object a line.", negative="")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show the latest calls: when, how each ended, who asked, what, how long it took, and about which stores."""
    from zava.commands.audit import Wanted, show_calls

    show_calls(_settings(embedded={"data_dir": data_dir}), Wanted(principal, tool, since, lines, follow, as_json))


@audit.command
def verify(
    *,
    anchor: Annotated[
        list[str] | None, Parameter(help="A row that was there, from a log line: writer:sequence:mac.", negative="")
    ] = None,
    former_key: FormerKey = None,
    data_dir: DataDir = None,
) -> None:
    """Look at every row of the audit trail; say which was changed, taken away or moved, and exit with 1 then."""
    from zava.commands.audit import verify_calls

    sys.exit(verify_calls(_settings(embedded={"data_dir": data_dir}), anchor or (), former_key or ()))


@audit.command
def prune(
    *,
    older_than: Annotated[str, Parameter(help="How old, as in 400d, or from before which moment.")],
    former_key: FormerKey = None,
    data_dir: DataDir = None,
) -> None:
    """Take old rows of the audit trail away. Signed checkpoints stay, so that the rest can be verified."""
    from zava.commands.audit import prune_calls

    sys.exit(prune_calls(_settings(embedded={"data_dir": data_dir}), older_than, former_key or ()))


def main() -> None:
    """Run a command. What an operator can put right is one sentence, not a stack trace."""
    try:
        app()
    except SetupError as error:
        sys.exit(f"zava: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _settings(**groups: dict[str, Any]) -> Settings:
    """The settings of the environment, with the options of the command line over them."""
    given: dict[str, Any] = {
        group: {name: value for name, value in options.items() if value is not None}
        for group, options in groups.items()
    }
    unknown = sorted(name for name in os.environ if name.startswith("ZAVA_") and not _is_setting(name))
    if unknown:
        raise SetupError(f"there are no such settings: {', '.join(unknown)}; docs/settings.md lists them all")
    try:
        settings = Settings(**given)
    except SettingsError as error:
        raise SetupError(f"these settings cannot be used: {error}") from None
    except pydantic.ValidationError as error:
        problems = "; ".join(
            f"ZAVA_{'__'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors()
        )
        raise SetupError(f"these settings cannot be used: {problems}") from None
    logging.basicConfig(
        level=settings.log.level, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s", stream=sys.stderr
    )
    # A line for each request to a provider would say nothing, and cut through progress bars.
    logging.getLogger("httpx2").setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[settings.log.level]))
    return settings


def _is_setting(name: str) -> bool:
    """Whether a variable belongs to a field of Settings. A misspelt one would be ignored, and the default used."""
    return name.removeprefix("ZAVA_").split("__")[0].lower() in Settings.model_fields


if __name__ == "__main__":
    main()
