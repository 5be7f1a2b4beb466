"""The page of the sample shop: what runs, how assistants connect, and a console in which to be several people."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

FOLDER = Path(__file__).with_name("page")
FILES = ("answers.js", "icon.svg", "mcp.js", "welcome.css", "welcome.js")

# The page is made of files of its own, and shows what comes out of a database: nothing else may run or be reached.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Another version may answer at this address tomorrow.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class Person:
    """Somebody whom the page can be.

    Attributes:
        token: by which the server knows them.
        stores: names of those they see; none for all of them.
    """

    token: str
    name: str
    stores: Sequence[str]


@dataclass(frozen=True)
class Client:
    """A program that can ask.

    Attributes:
        place: where its configuration belongs.
        note: what else one should know; may be empty.
        texts: the configuration, by the token of the person to be.
    """

    name: str
    place: str
    note: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Welcome:
    """What the page tells about this server."""

    version: str
    url: str
    people: Sequence[Person]
    clients: Sequence[Client]


def welcome_routes(welcome: Welcome) -> Sequence[Route]:
    """GET / and what the page is made of. Anybody who reaches the server can read it, and be anybody it names."""
    told = asdict(welcome)

    async def tell(_: Request) -> JSONResponse:
        return JSONResponse(told, headers=HEADERS)

    return (
        _file_route("/", "welcome.html"),
        *(_file_route(f"/welcome/{name}", name) for name in FILES),
        Route("/welcome/about.json", tell),
    )


def _file_route(path: str, name: str) -> Route:
    async def send(_: Request) -> FileResponse:
        return FileResponse(FOLDER / name, headers=HEADERS)

    return Route(path, send)
