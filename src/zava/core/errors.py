"""What can go wrong, in the words of the person who asked. Each error says what they may do about it."""


class ZavaError(Exception):
    """Anything Zava refuses or fails to do. The message is safe to show to the caller.

    Attributes:
        code: a stable name that programs may rely on.
        retryable: whether the same question may succeed later.
    """

    code = "ZAVA_ERROR"
    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def details(self) -> dict[str, str | int]:
        """What a program may want to know beyond the code."""
        return {}


class ValidationError(ZavaError):
    """The arguments are not well formed.

    The message names the argument and what it may be: ask again with that.
    """

    code = "VALIDATION_ERROR"

    def __init__(self, field: str, value: object, constraint: str) -> None:
        super().__init__(f"Validation failed for {field}: {constraint}")
        self.field = field
        self.value = value
        self.constraint = constraint


class AuthorizationError(ZavaError):
    """Not for this principal, whether it exists or not.

    Ask about stores and things of your own, or have an administrator give you the stores, the scope or the grant.
    """

    code = "AUTHORIZATION_ERROR"


class NotFoundError(ZavaError):
    """There is no such thing. Only those are told who would be allowed to see it.

    The message names what there is, or what comes nearest.
    """

    code = "NOT_FOUND"


class DatabaseError(ZavaError):
    """PostgreSQL refused the question.

    The message says why: ask differently. If it goes on, tell an operator.
    """

    code = "DATABASE_ERROR"


class QueryTimeoutError(DatabaseError):
    """The question took longer than it may.

    Ask for less: a shorter period, fewer rows, a narrower filter.
    """

    code = "QUERY_TIMEOUT"


class QueryStoppedError(DatabaseError):
    """An operator stopped the question while it ran.

    Ask for less, and not the same again.
    """

    code = "QUERY_STOPPED"


class InvalidQueryError(DatabaseError):
    """The caller's own SQL is wrong. The message is PostgreSQL's, with its hint.

    Correct it at the position, with the names that `get_multiple_table_schemas` tells.

    Attributes:
        sqlstate: PostgreSQL's code of what is wrong; left out when its parser alone was asked.
        position: of the character in the caller's text where it is wrong, counted from 1.
    """

    code = "INVALID_QUERY"

    def __init__(
        self,
        message: str,
        *,
        query: str,
        hint: str | None = None,
        position: int | None = None,
        sqlstate: str | None = None,
    ) -> None:
        place = f" at {place_in(query, position)}" if position else ""
        super().__init__(f"{message}{place}.{f' {hint}' if hint else ''}")
        self.position = position
        self.sqlstate = sqlstate

    @property
    def details(self) -> dict[str, str | int]:
        found = {"position": self.position, "sqlstate": self.sqlstate}
        return {name: value for name, value in found.items() if value is not None}


class QueryRefusedError(ZavaError):
    """The caller's own SQL is well formed and not admitted.

    The message says what to write instead.

    Attributes:
        reason: what kind of part was refused: statement, syntax, relation, column, function, type, operator, size.
        position: of the refused part in the caller's text, counted from 1.
    """

    code = "QUERY_REFUSED"

    def __init__(self, reason: str, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.position = position

    @property
    def details(self) -> dict[str, str | int]:
        return {"reason": self.reason} | ({"position": self.position} if self.position else {})


class QueryTooLargeError(DatabaseError):
    """The question needs more memory or disk than one question may have.

    Group and filter in SQL, or ask for less.
    """

    code = "QUERY_TOO_LARGE"


class BusyError(ZavaError):
    """Too many questions at once.

    Ask again after as many seconds as `retry_after` says.

    Attributes:
        retry_after: seconds from which on it may go better.
    """

    code = "BUSY"
    retryable = True

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def details(self) -> dict[str, str | int]:
        return {"retry_after": self.retry_after}


class UnavailableError(ZavaError):
    """Something that the answer needs cannot be reached at present.

    Ask again in a moment. If it goes on, `zava doctor` and `/health/ready` tell an operator what is missing.
    """

    code = "UNAVAILABLE"
    retryable = True


class EmbeddingError(ZavaError):
    """What texts mean cannot be found out at present. The message says why, of the provider and not of the text.

    Nothing: products are found by words meanwhile, and the answer says so. `zava embed` ends with it: run it again.
    """

    code = "EMBEDDING_ERROR"
    retryable = True


class ChartError(ZavaError):
    """An answer cannot be drawn. It stands without a picture, and a sentence in it says why.

    Ask for what can be drawn, as the sentence says.
    """

    code = "CHART_ERROR"


class SetupError(Exception):
    """What an operator has to put right before Zava can serve. The message says how."""


def place_in(text: str, position: int) -> str:
    """Where a character is, as people and models find it: its line, and what stands there."""
    before, after = text[: position - 1], text[position - 1 :]
    line = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1)
    near = after.split("\n", 1)[0][:20].rstrip()
    return f"line {line}, character {column}{f' (near {near!r})' if near else ''}"
