"""Texts that spreadsheets would run as formulas."""

# How one begins.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - they take the wide ones too
