"""What callers send: texts that PostgreSQL and a model can hold, and numbers within bounds."""

from zava.core.errors import ValidationError


def check_text(field: str, text: str, *, most_bytes: int, empty: str) -> None:
    """Raises unless this is a text of at most so many bytes.

    Args:
        field: its name, as the caller knows it.
        text: as it came.
        most_bytes: of its UTF-8.
        empty: what to do instead of sending nothing.

    Raises:
        ValidationError: it is empty, too long, or no text that PostgreSQL could hold.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValidationError(field, None, "it has half of a character in it") from None
    if not text.strip():
        raise ValidationError(field, text[:1], empty)
    if size > most_bytes:
        raise ValidationError(field, size, f"it must be at most {most_bytes:,} bytes and has {size:,}")
    if "\0" in text:
        raise ValidationError(field, None, "it must not contain a NUL character")


def check_range(field: str, value: float, least: int, most: int) -> None:
    """Raises unless the number lies within these bounds."""
    if not least <= value <= most:
        raise ValidationError(field, value, f"it must be from {least} to {most}")
