"""The live server: a site behind HTTP, with the headers that keep it isolated and private."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bodylens_server.encoding import SMALL, Encodings, NotAcceptable, negotiate
from bodylens_server.log import AccessLog
from bodylens_server.resource import Resource
from bodylens_server.site import Site

# Nothing but this origin: no inline script, no eval but wasm, no form, no frame, and no way out for a picture.
# A worker obeys the policy of its own response, not that of its page, so every response carries it.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "connect-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "style-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    # Together these two make the page cross-origin isolated, which threads in wasm need.
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
ONE_READ = 1 << 16  # bytes
FOR_EVER = "public, max-age=31536000, immutable"
ETAG = re.compile(r'(W/)?("[^"]*")')
SINGLE_RANGE = re.compile(r"bytes=\s*(\d+-\d*|-\d+)", re.IGNORECASE | re.ASCII)


class SecurityHeaders:
    """Put the headers on every response, errors as well."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = HEADERS) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers to its answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class WholeFile(FileResponse):
    """A file in large pieces: a network's weights should not take a thousand turns."""

    chunk_size = 1 << 18

    def __init__(self, path: Path, headers: Mapping[str, str], ranged: bool = False) -> None:
        """Say whether a part of it is asked for, in a way that counts."""
        super().__init__(path, headers=headers)
        self.hidden = {b"if-range"} if ranged else {b"range", b"if-range"}

    def set_stat_headers(self, stat_result: os.stat_result) -> None:
        """Leave out when the file was written here: it says nothing about what it holds."""
        self.headers.setdefault("content-length", str(stat_result.st_size))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; what was decided already is not looked at again."""
        headers = [(name, value) for name, value in scope["headers"] if name not in self.hidden]
        await super().__call__({**scope, "headers": headers}, receive, send)


def field(request: Request, name: str) -> str | None:
    """Return a header, or None; one that comes in several lines is one list. ref: RFC 9110, 5.3."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None


def matches(condition: str | None, tag: str, weakly: bool) -> bool:
    """Say whether If-None-Match (compared weakly) or If-Match names this ETag. ref: RFC 9110, 8.8.3.2."""
    if condition is None:
        return False
    return condition.strip() == "*" or any(
        named == tag and (weakly or not weak) for weak, named in ETAG.findall(condition)
    )


def wants_part(request: Request, tag: str) -> bool:
    """Say whether a part of the plain file is asked for: a single range, of the version that there is.

    ref: RFC 9110, 14.2 and 13.1.5. Anything else in Range is ignored, as it may be: the whole file is sent.
    """
    one = request.method == "GET" and SINGLE_RANGE.fullmatch(request.headers.get("range", "").strip())
    return bool(one) and request.headers.get("if-range", tag).strip() == tag


def respond(request: Request, resource: Resource, encodings: Encodings, for_ever: bool) -> Response:
    """Answer with a resource: not at all where the browser has it, else in the encoding that suits best."""
    plain_tag = f'"{resource.sha256[:32]}"'
    ranged = resource.path is not None and wants_part(request, plain_tag)
    # A part of a file is a part of the plain file.
    available = [] if ranged else encodings.available(resource)
    headers = {"cache-control": FOR_EVER if for_ever else "no-cache", "vary": "Accept-Encoding"}
    try:
        coding = negotiate(field(request, "accept-encoding"), available)
    except NotAcceptable:
        told = "This can only be sent without the encodings that you ask for.\n"
        return PlainTextResponse(told, 406, {"vary": "Accept-Encoding"})
    variant = None if coding == "identity" else encodings.path(resource, coding)
    # Another quality gives other bytes, so another tag.
    tag = f'{plain_tag[:-1]}-{"".join(variant.suffixes)[1:]}"' if variant else plain_tag
    headers["etag"] = tag
    condition = field(request, "if-match")
    if condition is not None and not matches(condition, tag, weakly=False):
        return PlainTextResponse("There is another version of this now.\n", 412, headers)
    if matches(field(request, "if-none-match"), tag, weakly=True):
        return Response(status_code=304, headers=headers)
    # Content-Length counts the encoded bytes; a progress display in the page sees the decoded ones.
    headers |= {"content-type": resource.media_type, "x-decoded-length": str(resource.size)}
    path, size = (variant, encodings.size(resource, coding)) if variant else (resource.path, resource.size)
    if variant:
        headers["content-encoding"] = coding
    if path and (size > ONE_READ or not variant):
        return WholeFile(path, headers, ranged)
    # Read at once: four hops to a thread cost more.
    body = b"" if request.method == "HEAD" else path.read_bytes() if path else resource.data
    return Response(body, headers={**headers, "content-length": str(size)})


class Prefix:
    """Serve the site below a path as well, for a proxy that passes its own path on."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        """Take the path, as in /bodylens; "" for none."""
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut the prefix off, where it is there."""
        path: str = scope.get("path", "")
        if self.prefix and path == self.prefix:
            # Relative, for nobody here knows the address outside; the page's own addresses need the slash.
            name = self.prefix.rpartition("/")[2]
            await Response(status_code=308, headers={"location": f"{name}/"})(scope, receive, send)
            return
        if self.prefix and path.startswith(self.prefix + "/"):
            scope = {**scope, "path": path[len(self.prefix) :]}
        await self.app(scope, receive, send)


def create_app(site: Site, encodings: Encodings, prefix: str = "", routes: Sequence[Route] = ()) -> ASGIApp:
    """Return the ASGI application that serves a site, also below a prefix, and more `routes` beside it."""

    def find_again(address: str) -> tuple[Resource, bool] | None:
        found = site.find(address)
        # An edited source or a new catalogue; a model that has come is compressed at the next start.
        encodings.make_all(resource for resource in site.resources() if resource.size < SMALL)
        return found

    async def show(request: Request) -> Response:
        address = request.path_params["address"]
        # What was edited, or made ready, since the last visit is there at the next; a hop to a thread costs more than
        # the look whether there is something.
        found = site.lookup(address) if site.is_current(address) else await run_in_threadpool(find_again, address)
        if found is None:
            return PlainTextResponse("There is nothing at this address.\n", 404)
        return respond(request, found[0], encodings, for_ever=found[1])

    async def health(request: Request) -> Response:
        told = {"status": "ok", "version": site.addresses["version"]}
        return JSONResponse(told, headers={"cache-control": "no-store"})

    app = Starlette(routes=[Route("/health", health), *routes, Route("/{address:path}", show)])
    # Around all of it, so that an answer to an error has the headers and its line in the log as well.
    return AccessLog(SecurityHeaders(Prefix(app, prefix)))
