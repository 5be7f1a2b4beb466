"""Draws in a process of its own, because the library holds the interpreter while it does.

Reads Vega-Lite specifications from standard input, a line each, and answers each with the length of a PNG in four
bytes, big-endian, and the PNG; with the length nought where it cannot be drawn. Ends with its input.
"""

import io
import json
import os
import struct
import sys
from typing import Any

import vl_convert
from PIL import Image

SCALE = 2
# Charts are flat: so many colours look the same as all, in a seventh of the bytes.
COLORS = 128
VEGA_LITE = "6.4"


def draw(specification: dict[str, Any]) -> bytes:
    """The PNG, twice as many pixels as the specification says. No address in it is asked."""
    drawn = vl_convert.vegalite_to_png(specification, vl_version=VEGA_LITE, scale=SCALE, allowed_base_urls=[])
    picture = Image.open(io.BytesIO(drawn)).convert("RGB")
    small = io.BytesIO()
    picture.quantize(COLORS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        small, "PNG", optimize=True
    )
    return small.getvalue()


def main() -> None:
    # Whatever a library prints is no part of the conversation.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin.buffer:
        try:
            png = draw(json.loads(line))
        except ValueError:
            png = b""
        answers.write(struct.pack(">I", len(png)) + png)
        answers.flush()


if __name__ == "__main__":
    main()
