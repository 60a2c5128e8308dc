"""What a phone is shown before it trusts this machine: how to install the root, and the root itself.

It is served over plain http as well, for what a certificate needs cannot wait behind that certificate.
"""

import html
import plistlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

import segno
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bodylens_server import checkout
from bodylens_server.app import HEADERS, SecurityHeaders
from bodylens_server.certificates import Identity
from bodylens_server.log import AccessLog

FOLDER = Path(__file__).parent
IDENTIFIER = "local.bodylens.root"
# Over plain http browsers ignore isolation, and complain about it.
PLAIN_HEADERS = {name: value for name, value in HEADERS.items() if name != "cross-origin-opener-policy"}
FRESH = {"cache-control": "no-cache"}


def profile(root: Identity) -> bytes:
    """Return the root as an Apple configuration profile. ref: Apple, Configuration Profile Reference."""
    payload = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{IDENTIFIER}.certificate",
        "PayloadUUID": str(uuid.uuid5(uuid.NAMESPACE_OID, root.fingerprint)),
        "PayloadDisplayName": "bodylens root certificate",
        "PayloadContent": root.der,
    }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": IDENTIFIER,
            "PayloadUUID": str(uuid.uuid5(uuid.NAMESPACE_URL, root.fingerprint)),
            "PayloadDisplayName": "bodylens in this network",
            "PayloadDescription": "Lets this device open bodylens on a computer in its own network. It vouches for "
            "addresses in private networks alone.",
            "PayloadContent": [payload],
        }
    )


def qr_terminal(address: str) -> str:
    """Return a QR code of half blocks, white on black whatever the terminal's colours."""
    out = StringIO()
    segno.make(address, error="l", micro=False).terminal(out, compact=True, border=2)
    return "\n".join(f"  \x1b[97;40m{line}\x1b[0m" for line in out.getvalue().splitlines())


def qr_svg(address: str) -> bytes:
    """Return a QR code as an SVG that fills its frame."""
    out = BytesIO()
    segno.make(address, error="m", micro=False).save(out, kind="svg", border=4, light="white", omitsize=True)
    return out.getvalue()


def device(user_agent: str) -> str:
    """Guess which steps to open: they all can be opened. iPads call themselves Macs."""
    if "Android" in user_agent:
        return "android"
    return "ios" if re.search(r"iPhone|iPad|Macintosh.*Version/\d+.*Safari", user_agent) else "computer"


@dataclass(frozen=True)
class Phone:
    """The page for phones of one server. `sites` are its https addresses, `page` that of this page; the best first."""

    root: Identity
    sites: Sequence[str]
    page: str

    def site(self, host: str) -> str:
        """Return the site's address at the host that was asked, where that is one of ours."""
        return next((site for site in self.sites if urlsplit(site).hostname == host), self.sites[0])

    def show(self, request: Request) -> Response:
        """Return the page."""
        opened = device(request.headers.get("user-agent", ""))
        text = Template((FOLDER / "phone.html").read_text(encoding="utf-8")).substitute(
            {name: "open" if name == opened else "" for name in ("ios", "android", "computer")},
            site=html.escape(self.site(request.url.hostname or "")),
            page=html.escape(self.page),
            fingerprint=self.root.fingerprint,
            name=html.escape(self.root.name),
        )
        return Response(text, media_type="text/html", headers={**FRESH, "vary": "User-Agent"})

    def routes(self) -> list[Route]:
        """Return what belongs to the page, for the site and for the plain address alike."""

        def fixed(path: str, content: bytes, media_type: str, name: str = "") -> Route:
            headers = {**FRESH, "content-disposition": f'attachment; filename="{name}"'} if name else FRESH

            async def answer(request: Request) -> Response:
                return Response(content, media_type=media_type, headers=headers)

            return Route(path, answer)

        async def show(request: Request) -> Response:
            return self.show(request)

        return [
            Route("/phone", show),
            fixed("/style.css", (checkout.WEB / "style.css").read_bytes(), "text/css"),
            fixed("/icon.svg", (checkout.WEB / "icon.svg").read_bytes(), "image/svg+xml"),
            fixed("/phone.css", (FOLDER / "phone.css").read_bytes(), "text/css"),
            fixed("/phone.svg", qr_svg(self.page), "image/svg+xml"),
            fixed("/bodylens.crt", self.root.der, "application/x-x509-ca-cert", "bodylens.crt"),
            fixed("/bodylens.mobileconfig", profile(self.root), "application/x-apple-aspen-config"),
        ]

    def plain_app(self) -> ASGIApp:
        """Return the application for plain http: this page alone."""

        async def show(request: Request) -> Response:
            return self.show(request)

        async def nothing(request: Request, error: Exception) -> Response:
            told = f"Here is only the page about phones: bodylens itself is at {self.sites[0]}\n"
            return PlainTextResponse(told, 404)

        app = Starlette(routes=[Route("/", show), *self.routes()], exception_handlers={404: nothing})
        return AccessLog(SecurityHeaders(app, PLAIN_HEADERS))
