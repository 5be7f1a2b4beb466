# ruff: noqa: INP001 - a program, not a package
"""A little identity provider, to try Zava's sign-in by hand: it mints tokens and publishes the keys for them.

    .venv/bin/python examples/mint_tokens.py ada

It prints the settings for Zava and a token of ada's, and serves until Ctrl-C:

    /jwks                                          the public keys
    /token?sub=ada&scope=sales:read&expires=60     another token; every other name becomes a claim
    /rotate                                        signs with a new key from now on; the old one stays published
    /forget                                        publishes the newest key alone

Whoever reaches it can be anybody: it is for this machine, and for a database without real people.
"""

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

LIFETIME = 3600


class Provider:
    """Keys, the newest last, and tokens signed with it."""

    def __init__(self, issuer: str, audience: str) -> None:
        self.issuer = issuer
        self.audience = audience
        self.keys: list[ec.EllipticCurvePrivateKey] = []
        self.rotate()

    def rotate(self) -> None:
        self.keys.append(ec.generate_private_key(ec.SECP256R1()))

    def forget(self) -> None:
        del self.keys[:-1]

    def key_set(self) -> dict[str, Any]:
        return {"keys": [{**public, "kid": name_of(public), "use": "sig", "alg": "ES256"} for public in self.public()]}

    def public(self) -> list[dict[str, Any]]:
        return [ECAlgorithm.to_jwk(key.public_key(), as_dict=True) for key in self.keys]

    def token(self, sub: str, expires: str = str(LIFETIME), **claims: str) -> str:
        """A token for this subject, good for so many seconds, which may be less than none."""
        now = int(time.time())
        said = {"iss": self.issuer, "aud": self.audience, "sub": sub, "iat": now, "exp": now + int(expires), **claims}
        return jwt.encode(said, self.keys[-1], "ES256", {"kid": name_of(self.public()[-1]), "typ": "at+jwt"})


def name_of(public: dict[str, Any]) -> str:
    return str(public["x"])[:8]


def handler_of(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = dict(parse_qsl(url.query))
            try:
                answer = self.answer(url.path, asked)
            except (TypeError, ValueError) as error:
                self.say(400, f"{error}\n")
            else:
                self.say(200 if answer else 404, answer)

        def answer(self, path: str, asked: dict[str, str]) -> str:
            match path:
                case "/jwks":
                    return json.dumps(provider.key_set(), indent=2) + "\n"
                case "/token":
                    return provider.token(**asked) + "\n"
                case "/rotate":
                    provider.rotate()
                    return f"signs with {name_of(provider.public()[-1])}\n"
                case "/forget":
                    provider.forget()
                    return "publishes the newest key alone\n"
            return ""

        def say(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("subjects", nargs="+", help="whom tokens are printed for, as `zava principals add` has them")
    parser.add_argument("--audience", default="http://127.0.0.1:8000/mcp", help="for whom the tokens are")
    parser.add_argument("--port", type=int, default=9000, help="where it listens, on this machine")
    options = parser.parse_args()
    url = f"http://127.0.0.1:{options.port}"
    provider = Provider(url, options.audience)
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler_of(provider)) as server:
        print(f"export ZAVA_AUTH__ISSUER={url}")
        print(f"export ZAVA_AUTH__JWKS_URL={url}/jwks")
        print(f"export ZAVA_AUTH__AUDIENCE={options.audience}")
        for subject in options.subjects:
            print(f"\n# {subject}, for an hour\nexport TOKEN={provider.token(subject)}")
        print(f"\n# more of them\ncurl '{url}/token?sub={options.subjects[0]}&scope=sales:read&expires=60'", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
