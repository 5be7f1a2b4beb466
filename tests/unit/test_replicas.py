"""Which servers are asked, by how far each of them has come."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from psycopg.conninfo import conninfo_to_dict

from zava.adapters.postgres.inspection import UnfitError
from zava.adapters.postgres.replicas import Host, Position, ReadHosts

LAG = 4.0
SEVERAL = "host=p,a,b port=1,2,3 user=zava_app password=secret target_session_attrs=prefer-standby"
P, A, B = (("p", "1"), ("a", "2"), ("b", "3"))


@dataclass
class Watched:
    """Hosts whose positions a test says, a second after each other."""

    seconds: float = 0

    def __post_init__(self) -> None:
        self.hosts = ReadHosts(SEVERAL, LAG, lambda: self.seconds)

    def see(self, primary: int | None = None, a: int | None = None, b: int | None = None) -> bool:
        self.seconds += 1
        positions: dict[Host, Position | None] = {
            P: None if primary is None else Position(standby=False, bytes=primary),
            A: None if a is None else Position(standby=True, bytes=a),
            B: None if b is None else Position(standby=True, bytes=b),
        }
        return self.hosts.choose(positions)

    @property
    def in_order(self) -> str:
        """The hosts of a new connection."""
        return str(conninfo_to_dict(self.hosts.conninfo())["host"])

    @property
    def asked(self) -> str:
        """The same; standbys, which share the load in any order, by the alphabet and before the primary."""
        return " ".join(sorted(self.in_order.split(","), key=lambda host: (host == "p", host)))


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def in_step(watched: Watched) -> Watched:
    """After a while in which both standbys were up to date."""
    for position in range(0, 1000, 100):
        watched.see(position, position, position)
    assert watched.asked == "a b p"
    return watched


def test_before_anybody_has_looked_all_are_asked_in_any_order(watched: Watched) -> None:
    assert watched.asked == "a b p"


def test_standbys_share_the_load_and_the_primary_comes_after_them(in_step: Watched) -> None:
    assert {in_step.in_order for _ in range(100)} == {"a,b,p", "b,a,p"}


def test_a_port_stays_with_its_host_and_the_rest_of_the_string_as_it_was(in_step: Watched) -> None:
    in_step.see(1000, 1000, None)
    assert conninfo_to_dict(in_step.hosts.conninfo()) == {
        "host": "a,p",
        "port": "2,1",
        "user": "zava_app",
        "password": "secret",
        "target_session_attrs": "any",
        "connect_timeout": "2",
    }


def test_a_standby_that_does_not_answer_is_left_out_until_it_does(in_step: Watched) -> None:
    assert in_step.see(1000, None, 1000)
    assert in_step.asked == "b p"
    assert not in_step.see(1100, None, 1100)
    assert in_step.see(1200, 1200, 1200)
    assert in_step.asked == "a b p"


def test_bytes_behind_are_no_matter_and_seconds_are(in_step: Watched) -> None:
    for second in range(5):
        written = 10**9 * (second + 1)
        in_step.see(written, 900, written)
        assert in_step.asked == ("a b p" if second < LAG else "b p")


def test_a_standby_lacks_nothing_while_nothing_is_written(in_step: Watched) -> None:
    for _ in range(100):
        in_step.see(900, 900, 900)
    assert in_step.asked == "a b p"


def test_who_was_too_far_behind_comes_back_when_it_is_twice_as_near(in_step: Watched) -> None:
    def follow(seconds: int) -> Iterator[str]:
        """Both as many seconds behind, each second."""
        for _ in range(10):
            written = 100 * int(in_step.seconds)
            in_step.see(written, written - 100 * seconds, written)
            yield in_step.asked

    assert list(follow(6))[-1] == "b p"
    assert list(follow(3))[-1] == "b p"
    assert list(follow(1))[-1] == "a b p"
    assert list(follow(3))[-1] == "a b p"


def test_in_the_beginning_a_standby_must_have_come_as_far_as_the_primary(watched: Watched) -> None:
    watched.see(1000, 999, 1000)
    assert watched.asked == "b p"


def test_without_a_primary_standbys_go_on(in_step: Watched) -> None:
    for _ in range(100):
        in_step.see(None, 900, 900)
    assert in_step.asked == "a b"


def test_with_nobody_near_and_no_primary_the_furthest_is_asked(in_step: Watched) -> None:
    for _ in range(10):
        in_step.see(2000, 800, 700)
    assert in_step.asked == "p"
    in_step.see(None, 800, 700)
    assert in_step.in_order == "a,b,p"
    in_step.see(None, 800, 850)
    assert in_step.in_order == "b,a,p"


async def test_readiness_names_who_is_not_asked_and_why(in_step: Watched) -> None:
    await in_step.hosts.check()
    for _ in range(10):
        in_step.see(5000, 900, None)
    with pytest.raises(UnfitError, match="b:3 does not answer; a:2 is too far behind the primary"):
        await in_step.hosts.check()
    in_step.see(5000, 5000, 5000)
    await in_step.hosts.check()


def test_when_nobody_answers_all_are_tried(in_step: Watched) -> None:
    in_step.see()
    assert in_step.asked == "a b p"


@pytest.mark.parametrize(
    "dsn",
    [
        "host=a user=zava_app",
        "host=a,b user=zava_app",
        "host=a,b user=zava_app target_session_attrs=read-write",
        "host=a user=zava_app target_session_attrs=prefer-standby",
        "user=zava_app",
    ],
)
def test_any_other_string_is_left_as_it_is(dsn: str) -> None:
    hosts = ReadHosts(dsn, LAG)
    assert not hosts.watched
    assert conninfo_to_dict(hosts.conninfo()) == conninfo_to_dict(dsn) | {"connect_timeout": "2"}
    patient = ReadHosts(f"{dsn} connect_timeout=7", LAG)
    assert conninfo_to_dict(patient.conninfo())["connect_timeout"] == "7"


def test_one_port_is_that_of_all_hosts() -> None:
    hosts = ReadHosts("host=a,b port=6432 target_session_attrs=prefer-standby", LAG)
    assert conninfo_to_dict(hosts.conninfo())["port"] == "6432,6432"
