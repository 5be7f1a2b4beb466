"""What can go wrong, in the words of the person who asked. Each error says what they may do about it."""

from uuid import UUID

LONGEST_QUERY = 100


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


class ValidationError(ZavaError):
    """The question is not well formed: ask better."""

    code = "VALIDATION_ERROR"

    def __init__(self, field: str, value: object, constraint: str) -> None:
        super().__init__(f"Validation failed for {field}: {constraint}")
        self.field = field
        self.value = value
        self.constraint = constraint


class AuthorizationError(ZavaError):
    """Not for this principal, whether it exists or not.

    Attributes:
        user_id: who asked; None when nobody known did.
    """

    code = "AUTHORIZATION_ERROR"

    def __init__(self, message: str, user_id: UUID | None = None) -> None:
        super().__init__(message)
        self.user_id = user_id


class NotFoundError(ZavaError):
    """There is no such thing. Only for those who would be allowed to see it."""

    code = "NOT_FOUND"


class DatabaseError(ZavaError):
    """PostgreSQL refused the question.

    Attributes:
        query: the beginning of its text, which is no part of the message.
    """

    code = "DATABASE_ERROR"

    def __init__(self, message: str, query: str | None = None) -> None:
        super().__init__(message)
        self.query = query[:LONGEST_QUERY] if query else None


class QueryTimeoutError(DatabaseError):
    """The question took longer than it may."""

    code = "QUERY_TIMEOUT"


class BusyError(ZavaError):
    """Too many questions at once: try again in a moment."""

    code = "BUSY"
    retryable = True


class UnavailableError(ZavaError):
    """Something that the answer needs cannot be reached at present."""

    code = "UNAVAILABLE"
    retryable = True


class SetupError(Exception):
    """What an operator has to put right before Zava can serve. The message says how."""
