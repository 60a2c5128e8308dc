"""The live server: a site behind HTTP, with the headers that keep it isolated and private."""

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bodylens_server.encoding import Encodings, NotAcceptable, negotiate
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
FOR_EVER = "public, max-age=31536000, immutable"


class SecurityHeaders:
    """Put the headers on every response, errors as well."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers to its answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class WholeFile(FileResponse):
    """A file in large pieces: a network's weights should not take a thousand turns."""

    chunk_size = 1 << 20


def matches(condition: str, tag: str) -> bool:
    """Say whether If-None-Match names this ETag. ref: RFC 9110, 13.1.2 (weak comparison)."""
    tags = [part.strip().removeprefix("W/") for part in condition.split(",")]
    return tag in tags or "*" in tags


def respond(request: Request, resource: Resource, encodings: Encodings, for_ever: bool) -> Response:
    """Answer with a resource: not at all where the browser has it, else in the encoding that suits best."""
    ranged = "range" in request.headers and resource.path is not None
    # A part of a file is a part of the plain file.
    available = [] if ranged else encodings.available(resource)
    try:
        coding = negotiate(request.headers.get("accept-encoding"), available)
    except NotAcceptable:
        return PlainTextResponse("This can only be sent without the encodings that you ask for.\n", 406)
    tag = f'"{resource.sha256[:32]}{"" if coding == "identity" else "-" + coding}"'
    headers = {
        "cache-control": FOR_EVER if for_ever else "no-cache",
        "etag": tag,
        "vary": "Accept-Encoding",
    }
    if matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    # Content-Length counts the encoded bytes; a progress display in the page sees the decoded ones.
    headers |= {"content-type": resource.media_type, "x-decoded-length": str(resource.size)}
    if coding != "identity":
        headers["content-encoding"] = coding
        return WholeFile(encodings.path(resource, coding), headers=headers)
    if resource.path is not None:
        return WholeFile(resource.path, headers=headers)
    body = b"" if request.method == "HEAD" else resource.data
    return Response(body, headers={**headers, "content-length": str(resource.size)})


def create_app(site: Site, encodings: Encodings) -> Starlette:
    """Return the ASGI application that serves a site."""

    async def show(request: Request) -> Response:
        address = request.path_params["address"]
        if not address:
            # What was edited, or made ready, since the last visit is there at the next.
            await run_in_threadpool(site.refresh)
            encodings.make_in_background(site.resources())
        found = await run_in_threadpool(site.find, address)
        if found is None:
            return PlainTextResponse("There is nothing at this address.\n", 404)
        return respond(request, found[0], encodings, for_ever=found[1])

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})

    return Starlette(
        routes=[Route("/healthz", health), Route("/{address:path}", show)],
        middleware=[Middleware(SecurityHeaders)],
    )
