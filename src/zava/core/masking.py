"""What may be written down of an exception: what it is and where it came from, and none of its words."""


class MaskedError(Exception):
    """Stands in logs for an exception whose message may hold what a caller said, or a customer's data."""


def masked(error: BaseException) -> MaskedError:
    """The exception with its stack and those it came from, each by its name alone."""
    stand_in = MaskedError(type(error).__qualname__).with_traceback(error.__traceback__)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    stand_in.__cause__ = masked(before) if before else None
    return stand_in
