"""An administrator enters people, issues tokens and changes the key, while the server serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import CopyShop, Server, start_server, zava
from tests.e2e.test_cancellation import STATELESS, HttpClient


@pytest.fixture(scope="module")
def server(copy_shop: CopyShop) -> Iterator[Server]:
    server = start_server(copy_shop("0"))
    yield server
    assert server.stop() == 0


def said(server: Server, *arguments: str) -> str:
    done = zava(*arguments, "--data-dir", str(server.data_dir))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_somebody_is_entered_changed_and_disabled(server: Server) -> None:
    person = ("idp|ada", "--name", "Ada", "--role", "regional_manager", "--stores", "seattle", "Tacoma")
    entered = said(server, "principals", "add", *person, "--grants", "personal")
    assert entered.startswith("Ada is entered: regional_manager, stores Seattle, Tacoma; grants personal;")
    changed = said(server, "principals", "revoke", "idp|ada", "personal", "sales:query")
    assert (
        "grants personal → none; scopes products:read, sales:query, sales:read → products:read, sales:read" in changed
    )
    assert said(server, "principals", "grant", "idp|ada", "audit:read").endswith("grants none → audit:read.\n")
    assert said(server, "principals", "disable", "idp|ada").startswith("Ada is disabled")
    (line,) = [line for line in said(server, "principals", "list").splitlines() if line.startswith("idp|ada")]
    assert line.split()[-1] == "disabled"
    assert said(server, "principals", "enable", "idp|ada") == "Ada may ask again.\n"


def test_a_token_is_all_there_is_on_standard_output(server: Server) -> None:
    made = zava(
        *("token", "create", "--principal", "demo-store-tacoma", "--expires", "30d"),
        *("--scopes", "sales:read", "products:read", "--data-dir", str(server.data_dir)),
    )
    token = made.stdout.removesuffix("\n")
    assert len(token) == 48
    assert token.startswith("zava_")
    assert made.stderr.startswith("Token 1 for Store manager Tacoma, good until ")
    listed = said(server, "token", "list")
    assert token not in listed + made.stderr + "".join(server.output + server.errors)
    assert f"…{token[-4:]}" in listed
    assert said(server, "token", "revoke", "1").startswith("Token 1 of Store manager Tacoma is revoked")


def test_what_is_wrong_is_a_sentence(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("subject,name,role,stores\nx,X,store_manager,Seatle\n", encoding="utf-8")
    for arguments, complaint in (
        (
            ("principals", "import", str(file)),
            "Nobody was entered:\nline 2: there is no store 'Seatle', the nearest is",
        ),
        (("principals", "import", str(tmp_path / "none.csv")), "none.csv cannot be read: No such file or directory."),
        (("principals", "disable", "demo-store-tacom"), "Did you mean 'demo-store-tacoma'?"),
        (("token", "revoke", "99"), "There is no token 99. `zava token list` shows them."),
        (("groups", "remove", "x"), "The group 'x' is given nothing."),
    ):
        refused = zava(*arguments, "--data-dir", str(server.data_dir))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert complaint in refused.stderr


def test_the_server_answers_whenever_the_key_has_been_changed(server: Server) -> None:
    client = HttpClient(server.url, STATELESS)
    key_file = server.data_dir / "secrets" / "context-key"
    client.assert_answers()
    keys = {key_file.read_text()}
    for _ in range(3):
        changed = said(server, "db", "rotate-key")
        keys.add(key_file.read_text())
        client.assert_answers()
        assert not [key for key in keys if key in changed]
    assert len(keys) == 4
    assert not [key for key in keys if key in "".join(server.output + server.errors)]
