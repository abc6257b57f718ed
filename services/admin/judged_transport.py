"""HTTP to servers that others name: to no address within denied networks, whatever a name is resolved to.

The address that was judged is the one connected to, so that a name that changes meanwhile leads nowhere else; its
certificate is still that of the name. Where the environment has a proxy for the URL, that resolves and decides.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx2

from services.dicom.connecting import Network, is_denied

ONE_ANSWER: Final = httpx2.Limits(max_keepalive_connections=0)
"""A connection ends with its answer: it was opened for one name, and another may have the same address."""


class JudgedTransport(httpx2.AsyncBaseTransport):
    """``denied``: networks that nothing is connected to. ``verify``: how certificates are checked."""

    def __init__(self, denied: Sequence[Network], verify: ssl.SSLContext | bool = True) -> None:
        self._denied = denied
        self._direct = httpx2.AsyncHTTPTransport(verify=verify, limits=ONE_ANSWER)
        self._proxied = {
            scheme: httpx2.AsyncHTTPTransport(verify=verify, limits=ONE_ANSWER, proxy=url)
            for scheme, url in getproxies().items()
            if scheme in ("http", "https", "all")
        }

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """As every transport. Raises ``httpx2.ConnectError`` for a name that is resolved to nothing that is allowed."""
        url = request.url
        proxied = self._proxied.get(url.scheme) or self._proxied.get("all")
        if proxied is not None and not proxy_bypass(url.host):
            return await proxied.handle_async_request(request)
        fault: httpx2.ConnectError | None = None
        for address in await self._judged(request):
            judged = httpx2.Request(
                request.method,
                url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": url.host},
            )
            try:
                return await self._direct.handle_async_request(judged)
            except httpx2.ConnectError as error:
                fault = error
        raise fault or httpx2.ConnectError("the name has no address", request=request)

    async def _judged(self, request: httpx2.Request) -> list[str]:
        """The addresses of the URL's host that may be connected to."""
        host, limit = request.url.host, request.extensions.get("timeout", {}).get("connect")
        try:
            async with asyncio.timeout(limit):
                answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"{host} is not resolved in time", request=request) from error
        except OSError as error:
            raise httpx2.ConnectError(f"{host}: {error.strerror or error}", request=request) from error
        found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        allowed = [address for address in found if not is_denied(address, self._denied)]
        if not allowed:
            told = f"nothing is connected to {', '.join(found)}, which is within GATEWAY_DENIED_ADDRESSES"
            raise httpx2.ConnectError(told, request=request)
        return allowed
