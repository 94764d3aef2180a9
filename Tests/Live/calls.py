"""ampd's commands, as tests speak them."""

from contextlib import asynccontextmanager

import pytest

from amppeer import RemoteError, Upload, listing_boxes
from sources import Bytes, digest_of, new_digest


async def put(peer, name, source, digest=None, upload=None, **arguments):
    """Stores bytes or a source; returns the answer."""
    upload = upload or Upload(source)
    return await peer.call("Put", upload=upload, filename=name, digest=digest, **arguments)


async def open_get(peer, name, options=None, **arguments):
    answer = await peer.call(
        "Get", downloads=["download"], options=options, filename=name, **arguments)
    return answer["download"], answer


async def get(peer, name, **arguments):
    """A file's bytes, in memory."""
    download, answer = await open_get(peer, name, {"keep": True}, **arguments)
    await download.finished
    assert int(answer["download-length"]) == download.received
    return bytes(download.content)


async def digest_get(peer, name, algorithm="xxh3", **arguments):
    """The digest of what a Get delivers, which the daemon's own must equal."""
    options = {"digest": algorithm}
    download, _ = await open_get(peer, name, options, digest=algorithm, **arguments)
    await download.finished
    assert download.end_digest == download.digest.name()
    return download.end_digest


async def listing(peer, **arguments):
    answer = await peer.call(
        "List", downloads=["listing"], options={"keep": True}, **arguments)
    await answer["listing"].finished
    return listing_boxes(answer["listing"].content)


async def names(peer, **arguments):
    return sorted(entry["name"] for entry in await listing(peer, **arguments))


@asynccontextmanager
async def refused(*codes):
    """The call inside is answered with an error of one of these codes."""
    with pytest.raises(RemoteError) as caught:
        yield
    assert caught.value.code in codes, f"{caught.value}, not {' or '.join(codes)}"
    assert caught.value.description, "an error that says nothing"


async def works(peer):
    """The connection still serves: a call, a Put and a Get of it."""
    await peer.call("Ping")
    await put(peer, "probe/of the connection", b"still here")
    assert await get(peer, "probe/of the connection") == b"still here"


__all__ = ["Bytes", "digest_of", "new_digest", "put", "open_get", "get", "digest_get", "listing",
           "names", "refused", "works"]
