"""What users name for webhooks, and what an OpenID provider's documents name, leads to no denied network."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from threading import Thread
from typing import Any

import httpx2
import pytest

from services.admin.access.oidc.provider import Provider
from services.admin.access.oidc.settings import OidcSettings
from services.admin.judged_transport import JudgedTransport
from services.admin.notices.channels import NotSent, post, reach_webhook
from services.admin.notices.settings import NoticeSettings
from services.runtime.errors import Unavailable
from tests.notice_servers import Webhook, webhook
from tests.oidc_provider import oidc_provider

SETTINGS = NoticeSettings(seconds=5)
DENIED = "GATEWAY_DENIED_ADDRESSES"


@pytest.fixture
def there() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_a_webhook_in_a_denied_network_is_not_called(
    there: Webhook, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    await post(SETTINGS, there.url, b"{}", {})
    assert len(there.posted) == 1
    monkeypatch.setenv(DENIED, '["127.0.0.0/8", "::1/128"]')
    url = there.url.replace("127.0.0.1", host)
    for asked in (post(SETTINGS, url, b"{}", {}), reach_webhook(SETTINGS, url)):
        with pytest.raises(NotSent, match=f"nothing is connected to .*within {DENIED}"):
            await asked
    assert len(there.posted) == 1


async def test_a_clouds_secrets_are_denied_unless_said_otherwise() -> None:
    with pytest.raises(NotSent, match=r"nothing is connected to 169\.254\.169\.254"):
        await post(SETTINGS, "http://169.254.169.254/latest/meta-data", b"{}", {})


async def test_the_address_that_was_judged_is_the_one_connected_to(
    there: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that says another address each time it is asked."""
    answers = iter([there.port, 1])
    asked: list[str] = []
    original = socket.getaddrinfo

    def unsteady(host: str, *arguments: Any, **named: Any) -> Any:
        if host != "hooks.example":
            return original(host, *arguments, **named)
        asked.append(host)
        address = "127.0.0.1" if next(answers, 1) == there.port else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", unsteady)
    monkeypatch.setenv(DENIED, '["127.0.0.2/32"]')
    await post(SETTINGS, f"http://hooks.example:{there.port}/hooks", b"{}", {})
    assert [each.headers["Host"] for each in there.posted] == [f"hooks.example:{there.port}"]
    assert asked == ["hooks.example"]
    with pytest.raises(NotSent, match=r"nothing is connected to 127\.0\.0\.2"):
        await post(SETTINGS, f"http://hooks.example:{there.port}/hooks", b"{}", {})


async def test_of_several_addresses_one_that_is_allowed_and_answers_is_taken(
    there: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", 0)) for last in (3, 2, 1)]
    original = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **named: found if host == "hooks.example" else original(host, *more)
    )
    monkeypatch.setenv(DENIED, '["127.0.0.3/32"]')
    await post(SETTINGS, f"http://hooks.example:{there.port}/hooks", b"{}", {})
    assert len(there.posted) == 1, "127.0.0.3 is denied, nobody listens on 127.0.0.2"


async def test_a_proxy_of_the_environment_is_asked_and_decides(there: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        transport = JudgedTransport([ip_network("127.0.0.0/8")])
        async with httpx2.AsyncClient(transport=transport) as client:
            assert (await client.get("http://hooks.example/7")).status_code == 403
            with pytest.raises(httpx2.ConnectError, match="nothing is connected to 127"):
                await client.get(there.url)  # not by the proxy: NO_PROXY has it
        server.shutdown()
    assert asked == ["http://hooks.example/7"]


async def test_what_a_providers_document_names_leads_to_no_clouds_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider beside the gateway is reached whatever is denied to stations; where its keys lie is its own word."""
    monkeypatch.setenv(DENIED, '["127.0.0.0/8"]')
    async with oidc_provider() as provider:
        settings = OidcSettings(issuer=provider.issuer, client_id="desk", admin_groups="admins")
        await Provider(settings).reach()
        provider.document["jwks_uri"] = "http://169.254.169.254/latest/meta-data"
        with pytest.raises(Unavailable, match="does not answer") as refused:
            await Provider(settings).reach()
    assert "169.254.169.254, which is within" in str(refused.value.__cause__)
