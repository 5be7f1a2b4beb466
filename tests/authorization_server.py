"""An authorization server of the tests' own: real keys, real signatures, served over HTTP on this machine."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://login.example.com/realms/shop"
AUDIENCE = "http://127.0.0.1:8000/mcp"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class SigningKey:
    """A key pair, by the id under which its public half is published."""

    key_id: str
    algorithm: str
    private: PrivateKey

    @classmethod
    def new(cls, key_id: str, algorithm: str = "ES256", bits: int = 2048) -> "SigningKey":
        private: PrivateKey
        match algorithm:
            case "RS256":
                private = rsa.generate_private_key(65537, bits)
            case "ES256":
                private = ec.generate_private_key(ec.SECP256R1())
            case _:
                private = ed25519.Ed25519PrivateKey.generate()
        return cls(key_id, algorithm, private)

    def public(self, **members: object) -> dict[str, Any]:
        """The public half as a JSON Web Key."""
        match self.private:
            case rsa.RSAPrivateKey():
                key = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
            case ec.EllipticCurvePrivateKey():
                key = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
            case _:
                key = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**key, "kid": self.key_id, "use": "sig", "alg": self.algorithm, **members}

    def sign(self, claims: dict[str, Any], **header: object) -> str:
        """A token with these claims; a header of None is left out."""
        headers = {name: value for name, value in {"kid": self.key_id, **header}.items() if value is not None}
        return jwt.encode(claims, self.private, self.algorithm, headers)


def claims(sub: object = "ada", **changed: object) -> dict[str, Any]:
    """What a good token says, with changes; a claim of None is left out."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "iat": now, "nbf": now, "exp": now + 300, **changed}
    return {name: value for name, value in said.items() if value is not None}


@dataclass
class AuthorizationServer:
    """Publishes keys, as the tests want them published.

    Attributes:
        keys: of which it publishes the public halves.
        status: of every answer.
        delay: seconds before each.
        body: in place of the keys.
        fetched: how often it was asked.
    """

    keys: list[SigningKey] = field(default_factory=lambda: [SigningKey.new("first")])
    status: int = 200
    delay: float = 0
    body: bytes | None = None
    fetched: int = 0
    url: str = ""

    def document(self) -> bytes:
        return json.dumps({"keys": [key.public() for key in self.keys]}).encode() if self.body is None else self.body

    def token(self, subject: str = "ada", **changed: object) -> str:
        """A good token, signed by the latest key."""
        return self.keys[-1].sign(claims(subject, **changed))

    @contextmanager
    def running(self) -> Iterator["AuthorizationServer"]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.fetched += 1
                time.sleep(server.delay)
                document = server.document()
                self.send_response(server.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
                pass

        listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.url = f"http://127.0.0.1:{listening.server_port}/jwks"
        try:
            yield self
        finally:
            listening.shutdown()
            listening.server_close()
            thread.join()
