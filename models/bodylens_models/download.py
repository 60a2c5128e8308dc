"""Getting a file from an address, going on where an earlier try stopped."""

import hashlib
import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

# An address that does not answer must not hold up the next one.
PATIENCE_S = 6.0
CHUNK = 1 << 16
_silent_hosts: dict[str, str] = {}


class DownloadError(OSError):
    """A file that could not be had from one address: it does not answer, or gave something else."""


def reach(url: str, start: int = 0) -> http.client.HTTPResponse:
    """Open `url` from byte `start`; DownloadError when it cannot be reached. A silent host is not asked again."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1"):
        raise DownloadError(f"{url} is not an https address")
    if parts.netloc in _silent_hosts:
        raise DownloadError(_silent_hosts[parts.netloc])
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310 - the scheme was checked above
            request, timeout=PATIENCE_S, context=ssl.create_default_context() if parts.scheme == "https" else None
        )
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{parts.hostname} answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        why = f"{parts.hostname} cannot be reached ({getattr(error, 'reason', error)})"
        _silent_hosts[parts.netloc] = why
        raise DownloadError(why) from error
    return response


def download(url: str, target: Path, sha256: str, size: int, report: Callable[[int], None]) -> None:
    """Bring `url` to `target`, `size` bytes with this `sha256`; report(bytes so far).

    What arrived stays in `target`.part when the way is cut, and the next try goes on from there.
    Raises DownloadError when it cannot be had or is something else; then nothing wrong is left behind.
    """
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    start = part.stat().st_size if part.exists() else 0
    if start > size:
        part.unlink()
        start = 0
    if start < size:
        with reach(url, start) as response:
            resumed = start and response.status == http.HTTPStatus.PARTIAL_CONTENT
            done = start if resumed else 0
            try:
                with part.open("ab" if resumed else "wb") as file:
                    while chunk := response.read(CHUNK):
                        done += len(chunk)
                        if done > size:
                            break
                        file.write(chunk)
                        report(done)
            except (OSError, http.client.HTTPException) as error:
                raise DownloadError(f"the connection broke after {done} of {size} bytes") from error
        if done < size:
            raise DownloadError(f"the connection ended after {done} of {size} bytes")
    if done_wrong(part, sha256, size):
        part.unlink()
        raise DownloadError(f"{urllib.parse.urlsplit(url).hostname} gave another file than the catalogue names")
    part.replace(target)


def done_wrong(path: Path, sha256: str, size: int) -> bool:
    """Whether `path` is not the file of this size and sha256."""
    if path.stat().st_size != size:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() != sha256
