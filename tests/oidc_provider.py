"""A small OpenID provider on 127.0.0.1: discovery, keys, its endpoints; codes are good once and
PKCE is checked. Whoever is sent to it is logged in there as ``claims`` say."""

import asyncio
import base64
import functools
import hashlib
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from services.runtime.health import HealthServer
from tests.waiting import until_async

CLIENT_ID, CLIENT_SECRET = "gateway", "a-secret-of-the-client"


@dataclass
class OidcProvider:
    """``claims``: of who logs in; ``wrong``: what the ID token has in place of that; ``userinfo``: what only
    the UserInfo endpoint says; ``refusal``: the error with which it sends everybody back; ``forged``: it signs as
    with its key, but with another one; ``ends_sessions``: it says where sessions end; ``ended``: whose did;
    ``document``: what its discovery document says otherwise."""

    issuer: str
    claims: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""
    forged: bool = False
    key: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ends_sessions: bool = True
    ended: list[str] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)

    def log_in_as(self, name: str, *groups: str, subject: str = "") -> None:
        """Let this person be who is logged in there."""
        self.claims = {"sub": subject or f"subject of {name}", "preferred_username": name, "groups": list(groups)}

    def rotate(self) -> None:
        """Sign with another key from now on; the one before is told no longer."""
        self.key += 1

    def app(self) -> Starlette:
        """What it answers."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._document),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/userinfo", self._userinfo),
                Route("/logout", self._end_session),
            ]
        )

    async def _document(self, request: Request) -> Response:
        self.asked.append("document")
        paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        if self.userinfo:
            paths["userinfo_endpoint"] = "userinfo"
        if self.ends_sessions:
            paths["end_session_endpoint"] = "logout?from=here"
        told = {name: f"{self.issuer}/{path}" for name, path in paths.items()}
        return JSONResponse(
            {"issuer": self.issuer, "id_token_signing_alg_values_supported": ["RS256", "none"], **told} | self.document
        )

    async def _keys(self, request: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse({"keys": [_key(self.key).as_dict(private=False, kid=f"key {self.key}")]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID), asked
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        answer = {"error": self.refusal} if self.refusal else {"code": code}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer | {'state': asked['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form["code"]), None)
        challenge = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        fits = asked is not None and (
            asked["code_challenge"] == base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
            and asked["redirect_uri"] == form["redirect_uri"]
            and request.headers["Authorization"] == _basic(CLIENT_ID, CLIENT_SECRET)
        )
        if asked is None or not fits:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        said = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        header = {"alg": "RS256", "kid": f"key {self.key}"}
        token = jwt.encode(header, said | self.claims | self.wrong, _key(self.key + self.forged))
        return JSONResponse({"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": token})

    async def _end_session(self, request: Request) -> Response:
        """Of who is named by a token of its own, back to where the client is at home."""
        asked = dict(request.query_params)
        assert (asked["from"], asked["client_id"]) == ("here", CLIENT_ID), asked
        self.ended.append(jwt.decode(asked["id_token_hint"], _key(self.key)).claims["sub"])
        return RedirectResponse(asked["post_logout_redirect_uri"], 302)

    async def _userinfo(self, request: Request) -> Response:
        assert request.headers["Authorization"] == "Bearer access"
        return JSONResponse({"sub": self.claims["sub"], **self.userinfo})


@functools.cache
def _key(number: int) -> RSAKey:
    """Making one takes a while."""
    return RSAKey.generate_key(2048)


def _basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


@asynccontextmanager
async def oidc_provider(certificate: Path | None = None) -> AsyncIterator[OidcProvider]:
    """One that answers until the block ends; with a certificate (and its key in the same file) over TLS."""
    listening = socket.create_server(("127.0.0.1", 0))
    provider = OidcProvider(f"http{'s' if certificate else ''}://127.0.0.1:{listening.getsockname()[1]}")
    config = uvicorn.Config(provider.app(), log_config=None, access_log=False, lifespan="off", ssl_certfile=certificate)
    server = HealthServer(config)
    serving = asyncio.create_task(server.serve([listening]))
    await until_async(lambda: server.started, what="the provider to answer")
    yield provider
    server.should_exit = True
    await serving
