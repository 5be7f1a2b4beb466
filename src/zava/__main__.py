"""The command line. Each command imports what it needs, so that --help and --version answer at once."""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from cyclopts import App, Parameter
from cyclopts.validators import Number
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from zava.commands.clients import ClientName
from zava.commands.logs import configure_log
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
principals = App(name="principals", help="Enter those who may ask, and say what they see.")
app.command(principals)
groups = App(name="groups", help="Say what the groups of an identity provider are given.")
app.command(groups)
customers = App(name="customers", help="Hand over what is known of one customer, or forget it.")
app.command(customers)
token = App(name="token", help="Issue API tokens to machines.")
app.command(token)

DataDir = Annotated[Path | None, Parameter(help="Where the embedded PostgreSQL keeps its data.")]
Role = Literal["store_manager", "regional_manager", "head_office"]
Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
Subject = Annotated[str, Parameter(help="What the identity provider calls them.")]
Rights = Annotated[list[str], Parameter(help="Grants and scopes, as in `personal sales:query`.", negative="")]
Scale = Annotated[float | None, Parameter(help="Size of the sample shop when it is made; 0 is an empty shop.")]
What = Annotated[
    str,
    Parameter(help="business, stores, products, customers, orders, returns, inventory or targets; or the folder."),
]
RowsFile = Annotated[Path | None, Parameter(help="Its name ends in .csv or .jsonl.")]


@app.command
def serve(  # noqa: PLR0913 - options of the command line
    *,
    transport: Annotated[Literal["http", "stdio"], Parameter(help="How clients connect.")] = "http",
    host: Annotated[str | None, Parameter(help="Address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on.")] = None,
    workers: Annotated[int | None, Parameter(help="Processes that answer.")] = None,
    data_dir: DataDir = None,
    scale: Scale = None,
) -> None:
    """Serve MCP clients; without ZAVA_DATABASE__DSN, from a sample shop on an embedded PostgreSQL."""
    from zava.commands.serve import serve_http, serve_stdio

    http = {"host": host, "port": port, "workers": workers}
    settings = _settings(http=http, embedded={"data_dir": data_dir, "scale": scale})
    if transport == "http":
        serve_http(settings)
    else:
        serve_stdio(settings)


@app.command
def init(
    *,
    dsn: Annotated[
        str | None, Parameter(help="An administrator's connection string; else ZAVA_DATABASE__ADMIN_DSN.")
    ] = None,
    folder: Annotated[
        Path | None, Parameter(help="For the files of the server; /etc/zava for root, else the user's configuration.")
    ] = None,
    new_passwords: Annotated[
        bool, Parameter(help="Give the server's logins new passwords, and write them down.", negative="")
    ] = False,
) -> None:
    """Prepare a database of Zava's own on your PostgreSQL, and say what comes next."""
    from zava.commands.init import initialise

    sys.exit(initialise(_settings(), dsn, folder, new_passwords=new_passwords))


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


@db.command(name="rotate-key")
def rotate_key(*, data_dir: DataDir = None) -> None:
    """Change the key by which the database knows its servers; they go on answering meanwhile."""
    from zava.commands.db import rotate_key

    rotate_key(_settings(embedded={"data_dir": data_dir}))


@db.command
def backup(
    file: Annotated[Path, Parameter(help="A new file; its owner alone may read it.")], /, *, data_dir: DataDir = None
) -> None:
    """Write the whole database to a file, while it serves, by pg_dump."""
    from zava.commands.backup import backup_database

    backup_database(_settings(embedded={"data_dir": data_dir}), file)


@db.command
def restore(
    file: Annotated[Path, Parameter(help="What `zava db backup` has written.")], /, *, data_dir: DataDir = None
) -> None:
    """Fill an empty database from a backup, by pg_restore."""
    from zava.commands.backup import restore_database

    restore_database(_settings(embedded={"data_dir": data_dir}), file)


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


@app.command(name="import")
def import_(  # noqa: PLR0913 - each is an option
    what: What,
    file: RowsFile = None,
    /,
    *,
    data_dir: DataDir = None,
    skip_bad: Annotated[bool, Parameter(help="Import the other rows when some are rejected.", negative="")] = False,
    delete_missing: Annotated[
        bool, Parameter(help="Remove what the file does not have, of its stores and days.", negative="")
    ] = False,
    trial: Annotated[bool, Parameter(help="Check everything, and import nothing.", negative="")] = False,
    column: Annotated[
        list[str] | None, Parameter(help="FIELD=NAME: the column of a field, where it has another name.", negative="")
    ] = None,
    rejected: Annotated[Path | None, Parameter(help="Where rejected rows are written; a folder for a folder.")] = None,
) -> None:
    """Import a CSV or JSON lines file, or a folder of them, into a shop of your own."""
    from zava.commands.importing import ImportOptions, import_files

    renamed = {}
    for pair in column or []:
        field, _, name = pair.partition("=")
        if not name:
            raise SetupError(f"--column {pair} says no name: write FIELD=NAME.")
        renamed[field] = name
    options = ImportOptions(skip_bad, delete_missing, trial, renamed, rejected)
    import_files(_settings(embedded={"data_dir": data_dir}), what, file, options)


@app.command
def export(what: What, file: RowsFile = None, /, *, data_dir: DataDir = None) -> None:
    """Export the shop to a CSV or JSON lines file, or to a folder of them, as it can be imported."""
    from zava.commands.exporting import export_files

    export_files(_settings(embedded={"data_dir": data_dir}), what, file)


@app.command
def client(
    name: Annotated[ClientName, Parameter(help="Which client.")],
    /,
    *,
    transport: Annotated[Literal["http", "stdio"] | None, Parameter(help="How it connects.")] = None,
    host: Annotated[str | None, Parameter(help="Address of the server.")] = None,
    port: Annotated[int | None, Parameter(help="Port of the server.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Print the configuration of an MCP client, for whoever ZAVA_TOKEN says, or a store manager of the sample shop."""
    from zava.commands.clients import show_client

    settings = _settings(http={"host": host, "port": port}, embedded={"data_dir": data_dir})
    show_client(settings, name, transport)


@app.command
def doctor(
    *,
    data_dir: DataDir = None,
    telemetry: Annotated[
        bool, Parameter(help="Only send a trace, a metric and a log, and say whether they arrive.", negative="")
    ] = False,
) -> None:
    """Check everything Zava needs, and say what to do about the rest."""
    if telemetry:
        from zava.commands.telemetry import examine_telemetry

        _settings()
        sys.exit(examine_telemetry(os.environ))
    from zava.commands.doctor import examine

    sys.exit(examine(_settings(embedded={"data_dir": data_dir})))


@app.command
def stats(
    *,
    url: Annotated[str | None, Parameter(help="Of the server; http://127.0.0.1:8000/mcp by default.")] = None,
    as_json: Annotated[bool, Parameter("--json", help="As JSON, for programs.", negative="")] = False,
) -> None:
    """Show how long calls and queries have taken in a server that runs, as ZAVA_TOKEN may see it."""
    from zava.commands.stats import show_stats

    show_stats(_settings(), url, as_json=as_json)


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


Customer = Annotated[str, Parameter(help="E-mail address, customer number or customer_id.")]
StoreOfNumber = Annotated[str | None, Parameter(help="Whose customer number it is.")]


@customers.command(name="export")
def export_customer(
    customer: Customer,
    file: Annotated[Path, Parameter(help="Where it goes, as JSON.")],
    /,
    *,
    store: StoreOfNumber = None,
    data_dir: DataDir = None,
) -> None:
    """Write all that is kept of a customer to a file: records, orders, returns, texts of the audit trail."""
    from zava.commands.customers import export_customer

    export_customer(_settings(embedded={"data_dir": data_dir}), customer, file, store)


@customers.command
def erase(
    customer: Customer,
    /,
    *,
    store: StoreOfNumber = None,
    also: Annotated[list[str] | None, Parameter(help="A word that names them in texts, too.", negative="")] = None,
    trial: Annotated[bool, Parameter(help="Say what would go, and erase nothing.", negative="")] = False,
    data_dir: DataDir = None,
) -> None:
    """Forget a customer. Their orders stay as nobody's; texts of the audit trail that name them go."""
    from zava.commands.customers import erase

    erase(_settings(embedded={"data_dir": data_dir}), customer, store, also or (), trial=trial)


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


@principals.command(name="add")
def add_principal(  # noqa: PLR0913 - what is entered of somebody
    subject: Subject,
    /,
    *,
    name: Annotated[str, Parameter(help="Their name.")],
    role: Annotated[Role, Parameter(help="What they are.")],
    stores: Annotated[
        Names, Parameter(help="Names of the stores they see; none for head office, which sees all.")
    ] = None,
    grants: Annotated[Names, Parameter(help="What they see beyond figures: personal, audit:read.")] = None,
    scopes: Annotated[Names, Parameter(help="Tools: products:read, sales:query, sales:read. Default: all.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Enter somebody who may ask, or change what is entered of them: what is left out is as by default."""
    from zava.commands.principals import add_person
    from zava.core.people import TOOL_SCOPES, Person

    person = Person(
        subject,
        name,
        role,
        frozenset(stores or ()),
        frozenset(grants or ()),
        frozenset(scopes) if scopes else TOOL_SCOPES,
    )
    add_person(_settings(embedded={"data_dir": data_dir}), person)


@principals.command(name="list")
def list_principals(*, data_dir: DataDir = None) -> None:
    """List everybody who is entered."""
    from zava.commands.principals import list_people

    list_people(_settings(embedded={"data_dir": data_dir}))


@principals.command(name="import")
def import_principals(
    file: Annotated[Path, Parameter(help="CSV in UTF-8: subject, name, role; stores, grants, scopes with ; between.")],
    /,
    *,
    data_dir: DataDir = None,
) -> None:
    """Enter everybody in a file, or nobody when a line is wrong. Who is not in it is left as they are."""
    from zava.commands.principals import import_people

    import_people(_settings(embedded={"data_dir": data_dir}), file)


@principals.command(name="disable")
def disable_principal(subject: Subject, /, *, data_dir: DataDir = None) -> None:
    """Refuse somebody, and their tokens, from their next call on."""
    from zava.commands.principals import disable_person

    disable_person(_settings(embedded={"data_dir": data_dir}), subject, disabled=True)


@principals.command(name="enable")
def enable_principal(subject: Subject, /, *, data_dir: DataDir = None) -> None:
    """Let somebody ask again who was disabled."""
    from zava.commands.principals import disable_person

    disable_person(_settings(embedded={"data_dir": data_dir}), subject, disabled=False)


@principals.command(name="grant")
def grant_to_principal(subject: Subject, rights: Rights, /, *, data_dir: DataDir = None) -> None:
    """Give somebody grants (personal, audit:read) and scopes (products:read, sales:query, sales:read)."""
    from zava.commands.principals import grant_rights

    grant_rights(_settings(embedded={"data_dir": data_dir}), subject, rights)


@principals.command(name="revoke")
def revoke_from_principal(subject: Subject, rights: Rights, /, *, data_dir: DataDir = None) -> None:
    """Take grants and scopes from somebody, from their next call on."""
    from zava.commands.principals import revoke_rights

    revoke_rights(_settings(embedded={"data_dir": data_dir}), subject, rights)


@groups.command(name="add")
def add_group(
    group: Annotated[str, Parameter(help="What the identity provider calls it.")],
    /,
    *,
    role: Annotated[Role, Parameter(help="What each of its members is.")],
    stores: Annotated[
        Names, Parameter(help="Names of the stores they see; none for head office, which sees all.")
    ] = None,
    scopes: Annotated[Names, Parameter(help="Tools: products:read, sales:query, sales:read. Default: all.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Give the members of a group a role, in place of what it was given before."""
    from zava.commands.groups import add_group
    from zava.core.people import TOOL_SCOPES, GroupRole

    given = GroupRole(group, role, frozenset(stores or ()), frozenset(scopes) if scopes else TOOL_SCOPES)
    add_group(_settings(embedded={"data_dir": data_dir}), given)


@groups.command(name="list")
def list_groups(*, data_dir: DataDir = None) -> None:
    """List the groups that are given something."""
    from zava.commands.groups import list_groups

    list_groups(_settings(embedded={"data_dir": data_dir}))


@groups.command(name="remove")
def remove_group(
    group: Annotated[str, Parameter(help="What the identity provider calls it.")], /, *, data_dir: DataDir = None
) -> None:
    """Take from a group what it was given."""
    from zava.commands.groups import remove_group

    remove_group(_settings(embedded={"data_dir": data_dir}), group)


@token.command(name="create")
def create(
    *,
    principal: Annotated[str, Parameter(help="The subject of whose it will be.")],
    name: Annotated[str, Parameter(help="What it is for.")] = "",
    expires: Annotated[str, Parameter(help="Days from now, as in 90d, or the last day, as in 2027-06-30.")] = "90d",
    scopes: Annotated[Names, Parameter(help="Those of the principal's scopes that it may use. Default: all.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Print a new token, this once; only its hash is kept."""
    from zava.commands.tokens import create_token

    create_token(_settings(embedded={"data_dir": data_dir}), principal, name, expires, scopes or ())


@token.command(name="list")
def list_issued(*, data_dir: DataDir = None) -> None:
    """List the tokens that were issued, by their numbers and last characters."""
    from zava.commands.tokens import list_tokens

    list_tokens(_settings(embedded={"data_dir": data_dir}))


@token.command(name="revoke")
def revoke_issued(
    token_id: Annotated[int, Parameter(help="Its number, as listed.")], /, *, data_dir: DataDir = None
) -> None:
    """End a token, from the next call on."""
    from zava.commands.tokens import revoke_token

    revoke_token(_settings(embedded={"data_dir": data_dir}), token_id)


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
        raise SetupError(f"there are no such settings: {', '.join(unknown)}; docs/reference/settings.md lists them all")
    try:
        settings = Settings(**given)
    except SettingsError as error:
        raise SetupError(f"these settings cannot be used: {error}") from None
    except pydantic.ValidationError as error:
        raise SetupError(f"these settings cannot be used: {'; '.join(map(_said, error.errors()))}") from None
    configure_log(settings.log)
    return settings


def _said(problem: ErrorDetails) -> str:
    """What pydantic says of a setting, in words for those who have never heard of pydantic."""
    name = f"ZAVA_{'__'.join(map(str, problem['loc'])).upper()}"
    if problem["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; docs/reference/settings.md lists them all"
    said = problem["msg"].removeprefix("Value error, ")
    # What is said of several settings names them.
    return said if said.startswith("ZAVA_") else f"{name}: {said}"


def _is_setting(name: str) -> bool:
    """Whether a variable belongs to a field of Settings. A misspelt one would be ignored, and the default used."""
    return name.removeprefix("ZAVA_").split("__")[0].lower() in Settings.model_fields


if __name__ == "__main__":
    main()
