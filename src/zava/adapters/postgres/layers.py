"""The layers between free SQL and everything else, and what stands in where one is not in force."""

from dataclasses import dataclass

from zava.adapters.postgres.vocabulary import BOUNDED, FUNCTIONS, VECTOR_FUNCTIONS

CALLABLE = sorted(FUNCTIONS | BOUNDED | VECTOR_FUNCTIONS)

GUARD = "the guard alone refuses them. Run `zava db migrate` as a superuser"


@dataclass(frozen=True, slots=True)
class Layer:
    """Something that holds free SQL back.

    Attributes:
        key: as layers.sql names it.
        name: what it does while it is in force.
        otherwise: what stands in when it is not, and what to do.
        needed: whether nothing stands in.
    """

    key: str
    name: str
    otherwise: str
    needed: bool = False


LAYERS = (
    Layer(
        "context",
        "who asks is sealed by PostgreSQL alone",
        "whoever signs may be anybody. REVOKE that right, and change the context key",
        needed=True,
    ),
    Layer("role", "free SQL runs as a role that only reads the shop", "REVOKE what it has beyond", needed=True),
    Layer("functions", "functions of free SQL granted one by one", GUARD),
    Layer("bounds", "functions bounded that no timeout interrupts", GUARD),
    Layer(
        "time",
        "ceiling on the time of a statement",
        "only the limit that each call sets holds. Run `zava db migrate`",
    ),
    Layer(
        "leaving",
        "queries end with the server that asked",
        "one that it leaves behind runs until its time is up. Run `zava db migrate`",
    ),
    Layer(
        "files",
        "temporary files limited",
        "a large question may fill the disk. Run `zava db migrate` as a superuser",
    ),
    Layer(
        "log",
        "tokens and values of rows kept out of PostgreSQL's log",
        "let nobody read it who may not see every store. Run `zava db migrate` as a superuser",
    ),
    Layer(
        "days",
        "days compared with moments by index",
        "free SQL that does so reads whole tables. Run `zava db migrate` as a superuser",
    ),
)
