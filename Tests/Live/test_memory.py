"""Resident memory: at rest, and while much more than it passes through.

Only a release build with the Swift library linked in says anything; others are skipped.
"""

import asyncio
import os
import subprocess

import pytest

from amppeer import Upload
from calls import digest_get, put, works
from daemon import executable
from sources import Pattern

MIB = 1 << 20
EACH = (1024 if os.environ.get("AMPD_BIG") else 64) * MIB
AT_REST, MORE = 12 * MIB, 16 * MIB


@pytest.fixture
def product(daemon):
    linked = subprocess.run(["ldd", executable()], capture_output=True, text=True).stdout
    if "libswiftCore" in linked or "release" not in str(executable().resolve()):
        pytest.skip("memory is measured of a release build with --static-swift-stdlib")
    return daemon


async def highest(daemon, over):
    """The most resident memory seen until `over`."""
    most = 0
    while not over.is_set():
        most = max(most, daemon.resident())
        await asyncio.sleep(0.01)
    return most


async def test_at_rest(product):
    assert product.resident() <= AT_REST, product.resident()
    peer = await product.connect()
    await works(peer)
    await peer.close()
    assert product.resident() <= AT_REST, product.resident()


async def measured(daemon, work):
    rest = daemon.resident()
    over = asyncio.Event()
    watch = asyncio.ensure_future(highest(daemon, over))
    result = await work
    over.set()
    most = await watch
    assert most - rest <= MORE, f"{(most - rest) / MIB:.1f} MiB more than at rest"
    return result


@pytest.mark.slow
async def test_sixteen_streams_each_way(product):
    peer = await product.connect()
    await works(peer)
    sources = [Pattern(EACH, seed=number) for number in range(16)]
    answers = await measured(product, asyncio.gather(*(
        put(peer, f"large {number}", source, digest="xxh3")
        for number, source in enumerate(sources))))
    digests = await measured(product, asyncio.gather(*(
        digest_get(peer, f"large {number}") for number in range(16))))
    for source, answer, digest in zip(sources, answers, digests):
        assert answer["digest"].decode() == digest == source.digest("xxh3")
    await peer.close()


@pytest.mark.slow
async def test_readers_that_never_read(product):
    """Sixteen connections that asked for much and take nothing."""
    first = await product.connect()
    await put(first, "large", Pattern(64 * MIB))
    rest = product.resident()
    deaf = [await product.connect(window=2**62, connection_window=2**62) for _ in range(16)]
    for peer in deaf:
        peer.transport.pause_reading()
        for _ in range(8):
            peer.start("Get", downloads=["download"], filename="large")
    await asyncio.sleep(1)
    await works(first)
    assert product.resident() - rest <= MORE, (product.resident() - rest) / MIB
    for peer in deaf:
        peer.transport.abort()
        await peer.wait_lost()
    await first.close()
