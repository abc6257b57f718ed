"""The provider, over HTTP: where browsers are sent, and what is true of who comes back (OpenID Connect Core 3.1)."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx2
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError

from services.admin.access.oidc.identity import groups_in
from services.admin.access.oidc.settings import OidcSettings, protected
from services.admin.access.sessions import LoginFailed
from services.admin.judged_transport import JudgedTransport
from services.dicom.settings import DENIED
from services.runtime.errors import Unavailable

ANSWER_SECONDS: Final = 10.0
SKEW_SECONDS: Final = 60
"""How far the provider's clock may be off."""
KNOWN_SECONDS: Final = 3600.0
"""After which its discovery document and keys are asked for anew; a key that is not known is asked for at once."""
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""Signatures that only the provider can make."""
NOBODYS: Final = tuple(map(ip_network, DENIED))
"""Where no provider is, whatever GATEWAY_DENIED_ADDRESSES says of stations: a cloud tells its secrets there."""
IN_BODY: Final = "client_secret_post"
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sent:
    """Where a browser is sent, and what has to fit when it comes back."""

    url: str
    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True)
class Believed:
    """Who came back: ``claims`` of the ID token and of UserInfo, and the ID token as it was signed."""

    claims: Mapping[str, Any]
    id_token: str


class Provider:
    """One for the process."""

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._client: Any = None
        self._known_until = 0.0

    async def send(self, redirect_uri: str) -> Sent:
        """Raises ``Unavailable`` while the provider is away, or if it is not the one that is configured."""
        with self._answering():
            client = await self._known()
            sent = await client.create_authorization_url(redirect_uri)
        return Sent(sent["url"], sent["state"], sent["nonce"], sent["code_verifier"])

    async def believed(self, code: str, redirect_uri: str, code_verifier: str, nonce: str) -> Believed:
        """What the provider says of who came back with a code. Raises ``Unavailable``; ``LoginFailed`` where it refuses
        the code, or what it says is not to be believed."""
        with self._answering():
            client = await self._known()
            token = await client.fetch_access_token(redirect_uri, code=code, code_verifier=code_verifier)
            if "id_token" not in token:
                raise LoginFailed(f"{self.settings.name} did not say who you are: there is no ID token")
            claims = await client.parse_id_token(token, nonce, self._expected(), leeway=SKEW_SECONDS)
            return Believed({**await self._more(client, token, claims), **claims}, str(token["id_token"]))

    async def goodbye(self, id_token: str, back: str) -> str | None:
        """Where a browser ends its session at the provider too, which then sends it to ``back`` (OpenID Connect
        RP-Initiated Logout 1.0); None where there is no such place. ``id_token`` may be empty. Raises ``Unavailable``.
        """
        with self._answering():
            place = (await self._known()).server_metadata.get("end_session_endpoint")
            if not place:
                return None
            parts = urlsplit(protected(place))
        hint = {"id_token_hint": id_token} if id_token else {}
        asked = urlencode(hint | {"client_id": self.settings.client_id, "post_logout_redirect_uri": back})
        return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, asked)))))

    async def reach(self) -> None:
        """Ask for the discovery document and the keys. Raises ``Unavailable``."""
        with self._answering():
            await (await self._known()).fetch_jwk_set()

    def _expected(self) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
        }

    async def _more(self, client: Any, token: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """What only the UserInfo endpoint says, where the ID token lacks groups or name; of nobody else (5.3.2)."""
        wanted = self.settings.name_claim in claims and groups_in(claims, self.settings.groups_claim)
        if wanted or "userinfo_endpoint" not in client.server_metadata:
            return {}
        more: Mapping[str, Any] = await client.userinfo(token=token)
        if more.get("sub") != claims["sub"]:
            raise LoginFailed(f"{self.settings.name} speaks of somebody else")
        return more

    async def _known(self) -> Any:
        """The client with the provider's discovery document. Raises ``Unavailable`` for the document of another."""
        now = asyncio.get_running_loop().time()
        if self._client is None or now > self._known_until:
            client = self._made()
            document = await client.load_server_metadata()
            if document.get("issuer") != self.settings.issuer:
                raise Unavailable(f"{self.settings.name}: the issuer there is {document.get('issuer')!r:.200}")
            _adapt(client, document)
            self._client, self._known_until = client, now + KNOWN_SECONDS
        return self._client

    def _made(self) -> Any:
        settings = self.settings
        return OAuth().register(
            "oidc",
            client_id=settings.client_id,
            client_secret=settings.client_secret or None,
            server_metadata_url=get_well_known_url(settings.issuer, external=True),
            client_kwargs={
                "scope": settings.scopes, "code_challenge_method": "S256", "timeout": ANSWER_SECONDS,
                # Who runs the gateway names the provider, often one beside it; what its documents name is others' word.
                "transport": JudgedTransport(NOBODYS, settings.context()),
            },
        )  # fmt: skip

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """What the libraries raise, as what it means; their texts may hold what the provider sent."""
        name = self.settings.name
        try:
            yield
        except httpx2.HTTPError as error:
            log.warning("provider_away", fault=type(error).__name__)
            raise Unavailable(f"{name} does not answer ({type(error).__name__}): try again later") from error
        except JoseError as error:
            log.warning("id_token_not_believed", fault=type(error).__name__, claim=getattr(error, "claim", None))
            raise LoginFailed(f"what {name} says of you is not to be believed: {error.error}") from error
        except AuthlibBaseError as error:
            log.warning("provider_refused", fault=type(error).__name__)
            raise LoginFailed(f"{name} refused this login: begin again") from error
        except (httpx2.InvalidURL, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
            log.warning("provider_not_understood", fault=type(error).__name__)
            raise Unavailable(f"the answer of {name} cannot be read ({type(error).__name__})") from error


def _adapt(client: Any, document: dict[str, Any]) -> None:
    """Believe no signature that others could make; say the secret where the provider wants it."""
    told = document.get("id_token_signing_alg_values_supported") or ["RS256"]
    document["id_token_signing_alg_values_supported"] = [each for each in told if each in ALGORITHMS] or ["RS256"]
    ways = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if client.client_secret and "client_secret_basic" not in ways and IN_BODY in ways:
        client.client_kwargs["token_endpoint_auth_method"] = IN_BODY
