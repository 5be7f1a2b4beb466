"""The token that tells PostgreSQL who asks: its parts, its signature, and what it keeps to itself."""

import hashlib
import hmac
from pathlib import Path
from uuid import UUID

import pytest

from zava.adapters.postgres.context import ContextKey, ContextKeyError
from zava.core.errors import SetupError

SECRET = b"thirty-two bytes, or a few more."
PRINCIPAL = UUID("0c9d5b5e-7d0a-4b51-8f2e-1d2f3a4b5c6d")
NOW = 1_775_000_000.9


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "context-key"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


def test_a_token_has_four_parts_and_is_good_for_a_minute() -> None:
    key = ContextKey(SECRET)
    key_id, principal, expiry, mac = key.token(PRINCIPAL, now=NOW).split("|")
    assert key_id == key.key_id
    assert principal == str(PRINCIPAL)
    assert int(expiry) == 1_775_000_060
    assert len(bytes.fromhex(mac)) == 32


def test_anyone_who_has_the_secret_can_verify_the_signature() -> None:
    body, _, mac = ContextKey(SECRET).token(PRINCIPAL, now=NOW).rpartition("|")
    assert hmac.digest(SECRET, body.encode(), "sha256").hex() == mac


@pytest.mark.parametrize(
    ("secret", "principal", "now"),
    [
        (b"another secret, of the same length", PRINCIPAL, NOW),
        (SECRET, UUID(int=PRINCIPAL.int + 1), NOW),
        (SECRET, PRINCIPAL, NOW + 1),
    ],
)
def test_the_signature_depends_on_key_principal_and_time(secret: bytes, principal: UUID, now: float) -> None:
    def signature(secret: bytes, principal: UUID, now: float) -> str:
        return ContextKey(secret).token(principal, now=now).rpartition("|")[2]

    assert signature(secret, principal, now) != signature(SECRET, PRINCIPAL, NOW)


def test_the_key_id_names_the_key_and_does_not_reveal_it() -> None:
    key_id = ContextKey(SECRET).key_id
    assert key_id == hashlib.sha256(SECRET).hexdigest()[:16]
    assert key_id != ContextKey(SECRET + b"!").key_id
    assert key_id not in SECRET.decode()
    assert key_id not in SECRET.hex()


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_a_key_that_is_printed_keeps_its_secret(show: "type[str]") -> None:
    assert "thirty-two" not in show(ContextKey(SECRET))


def test_a_token_does_not_carry_the_secret() -> None:
    token = ContextKey(SECRET).token(PRINCIPAL, now=NOW)
    assert SECRET.decode() not in token
    assert SECRET.hex() not in token


@pytest.mark.parametrize("written", [SECRET, SECRET + b"\n", b" " + SECRET + b"\r\n"])
def test_a_key_is_read_without_the_blanks_around_it(key_file: Path, written: bytes) -> None:
    key_file.write_bytes(written)
    assert ContextKey.read(key_file) == ContextKey(SECRET)


@pytest.mark.parametrize("written", [b"", b"short", SECRET[:31], SECRET[:20] + b" " * 20])
def test_a_short_key_is_refused_and_named_without_being_shown(key_file: Path, written: bytes) -> None:
    key_file.write_bytes(written)
    with pytest.raises(ContextKeyError, match="fewer than 32 bytes") as refused:
        ContextKey.read(key_file)
    assert str(key_file) in str(refused.value)
    assert "thirty" not in str(refused.value)


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file"), ("", "Is a directory")])
def test_a_key_that_cannot_be_read_is_a_matter_for_the_operator(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ContextKeyError, match=f"cannot be read: {reason}") as refused:
        ContextKey.read(tmp_path / name)
    assert isinstance(refused.value, SetupError)
