"""Questions that may be asked again: of which tool, with which arguments, by whom and until when, signed."""

import hmac
import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from zava.core.errors import NotFoundError
from zava.core.model import Principal

Arguments: TypeAlias = Mapping[str, Any]

LIFETIME_SECONDS = 3600
# A link is read by models too, and a longer one costs more than it gives.
LONGEST_TOKEN = 1_000
# What deflates to a token of that length may have been longer by far. Nothing that a tool takes is.
LONGEST_QUESTION = 100_000
# What questions are made of, so that deflate need not write it: half of a usual token. The commonest stands last.
VOCABULARY = (
    b'["execute_sales_query",{"postgresql_query":"WITH SELECT date_trunc(\'month\', order_date)::date AS month, '
    b"count(*), sum(total_amount) AS revenue FROM retail.orders AS o JOIN retail.order_items USING (store_id, "
    b"order_id) retail.products retail.stores WHERE status <> 'cancelled' GROUP BY 1, 2 ORDER BY 2 DESC LIMIT 1000\"}]"
    b'["analyze_sales",{"compare_to":"previous_period","filters":{"order_by":"revenue desc","units","orders",'
    b'"gross_margin_percent","customers"],"2026-01-01..2026-03-31","metrics":["revenue"],"period":"last_month",'
    b'"group_by":["store","day","product","month","category"],"compare_to":"previous_year","totals":true}]'
)
EXPIRY_BYTES = 4
# Half of an HMAC-SHA256, as in RFC 4868.
MAC_BYTES = 16
REFUSAL = "This link opens nothing for you: a link is good for an hour, and for whoever asked. Ask the question again."


@dataclass(frozen=True)
class SignedQuestions:
    """Makes tokens of questions, and questions of tokens. A token is base64url of expiry, signature, deflated JSON.

    The principal is signed without being written: somebody else's token has the wrong signature, as a forged one has.

    Attributes:
        secret: the key.
        now: the moment, with its time zone.
    """

    secret: bytes = field(repr=False)
    now: Callable[[], datetime]

    def sign(self, principal: Principal, tool: str, arguments: Arguments) -> str | None:
        """The token of this question, good for an hour; None when it would be too long for a link."""
        question = json.dumps([tool, arguments], separators=(",", ":")).encode()
        if len(question) > LONGEST_QUESTION:
            return None
        deflate = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS, zdict=VOCABULARY)
        deflated = deflate.compress(question) + deflate.flush()
        expiry = (int(self.now().timestamp()) + LIFETIME_SECONDS).to_bytes(EXPIRY_BYTES)
        token = _encoded(expiry + self._mac(principal, expiry, deflated) + deflated)
        return token if len(token) <= LONGEST_TOKEN else None

    def open(self, principal: Principal, token: str) -> tuple[str, Arguments]:
        """The tool and the arguments of this token.

        Raises:
            NotFoundError: it is not a token of this principal's, or not any more. Which of these, it does not tell.
        """
        signed = _decoded(token)
        expiry, mac, deflated = (
            signed[:EXPIRY_BYTES],
            signed[EXPIRY_BYTES : EXPIRY_BYTES + MAC_BYTES],
            signed[EXPIRY_BYTES + MAC_BYTES :],
        )
        genuine = hmac.compare_digest(mac, self._mac(principal, expiry, deflated))
        if not genuine or int.from_bytes(expiry) < self.now().timestamp():
            raise NotFoundError(REFUSAL)
        inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=VOCABULARY)
        question = inflate.decompress(deflated, LONGEST_QUESTION)
        tool, arguments = json.loads(question)
        return tool, arguments

    def _mac(self, principal: Principal, expiry: bytes, deflated: bytes) -> bytes:
        # All but the last have one length each, so that no two questions are the same bytes. To a version with another
        # vocabulary the same bytes would be another question.
        signed = VOCABULARY + principal.principal_id.bytes + expiry + deflated
        return hmac.digest(self.secret, signed, "sha256")[:MAC_BYTES]


def _encoded(signed: bytes) -> str:
    return urlsafe_b64encode(signed).decode().rstrip("=")


def _decoded(token: str) -> bytes:
    """The bytes of a token; none of what is no base64url, or a second way to write the same."""
    try:
        signed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
    return signed if _encoded(signed) == token else b""
