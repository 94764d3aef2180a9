"""Many streams on one connection: fair, within credit, and never in the way of a call."""

import asyncio

import pytest

from amppeer import Upload
from calls import digest_get, open_get, put, refused, works
from sources import Pattern

MIB = 1 << 20


async def ping_until(peer, over):
    """Calls all the time; every one is answered."""
    count = 0
    while not over.is_set():
        await peer.call("Ping")
        count += 1
        await asyncio.sleep(0.001)
    return count


async def test_sixteen_puts_and_gets_at_once(daemon):
    """On one connection, while calls are answered."""
    peer = await daemon.connect()
    ready = [Pattern(8 * MIB + number, seed=number) for number in range(16)]
    for number, source in enumerate(ready):
        await put(peer, f"ready {number}", source)
    over = asyncio.Event()
    pings = asyncio.ensure_future(ping_until(peer, over))
    new = [Pattern(8 * MIB - number, seed=100 + number) for number in range(16)]
    puts = [put(peer, f"new {number}", source, digest="xxh3")
            for number, source in enumerate(new)]
    gets = [digest_get(peer, f"ready {number}") for number in range(16)]
    results = await asyncio.gather(*puts, *gets)
    over.set()
    assert await pings > 0
    for answer, source in zip(results[:16], new):
        assert answer["digest"].decode() == source.digest("xxh3")
        assert int(answer["size"]) == len(source)
    assert results[16:] == [source.digest("xxh3") for source in ready]
    for number, source in enumerate(new):
        assert await digest_get(peer, f"new {number}") == source.digest("xxh3")
    await peer.close()
    await daemon.leaves_no_upload()


async def test_equal_gets_are_served_equally(daemon):
    peer = await daemon.connect()
    await put(peer, "shared", Pattern(16 * MIB))
    peer.trace = []
    downloads = [download for download, _ in await asyncio.gather(
        *(open_get(peer, "shared") for _ in range(8)))]
    at_first_end = []
    for download in downloads:
        download.finished.add_done_callback(
            lambda _: at_first_end or at_first_end.extend(each.received for each in downloads))
    received = dict.fromkeys((download.id for download in downloads), 0)
    await asyncio.gather(*(download.finished for download in downloads))
    for number, count in peer.trace:
        received[number] += count
        if received[number] == 16 * MIB:
            break
    shares = list(received.values())
    jain = sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))
    assert jain >= 0.99, f"{jain} of {shares}"
    await peer.close()


async def test_urgent_gets_go_first(daemon):
    """What is asked for with a lower urgency number is sent before the rest."""
    peer = await daemon.connect(window=64 * MIB, connection_window=256 * MIB)
    await put(peer, "file", Pattern(16 * MIB))
    slow, _ = await open_get(peer, "file", download_priority="u7")
    await peer.wait_for(lambda: slow.received > 0)
    fast, _ = await open_get(peer, "file", download_priority="u0")
    await fast.finished
    assert slow.received < 16 * MIB
    await slow.finished
    await peer.close()


async def test_credit_is_renewed_before_half_a_window_is_used(daemon):
    """We send half of a stream's window and wait: if the daemon consumes, more must be granted."""
    peer = await daemon.connect()
    window = peer.theirs["window"]
    upload = Upload(Pattern(20 * window), gate=0)
    call = peer.start("Put", upload=upload, filename="renewed")
    base = 0
    for _ in range(30):
        limit = upload.limit
        # The window in force is what the last grant left us with.
        upload.gate = base + (limit - base + 1) // 2
        if upload.gate >= len(upload.source):
            break
        peer.pump()
        await peer.wait_for(lambda: upload.limit > limit)
        base = upload.sent
    upload.gate = 2**63
    peer.pump()
    await call
    assert upload.credits
    await peer.close()


async def test_connection_credit_is_renewed_before_half_a_window_is_used(daemon):
    peer = await daemon.connect()
    base = peer.sent
    for number in range(6):
        limit = peer.send_limit
        half = (limit - base + 1) // 2
        # Sixteen streams that send half of the connection's window together, and no more.
        calls = [put(peer, f"half {index}", Pattern(-(-half // 16))) for index in range(16)]
        await asyncio.gather(*calls, peer.wait_for(lambda: peer.send_limit > limit))
        base = peer.sent
    assert len(peer.connection_credits) >= 6
    await peer.close()


async def test_a_slow_reader_is_never_overrun(daemon):
    """Credit in odd steps, smaller and larger than a chunk; the peer checks every box."""
    peer = await daemon.connect(window=10_000, connection_window=400_000)
    source = Pattern(700_001, seed=8)
    await put(peer, "slow", source)
    download, _ = await open_get(peer, "slow", {"automatic": False, "digest": "sha256"})
    await peer.wait_for(lambda: download.received == 10_000)
    await peer.call("Ping")
    assert download.received == 10_000
    limit, step = 10_000, 1
    while limit < len(source):
        limit = min(limit + step, len(source))
        step = step * 3 % 90_001 + 1
        download.grant(limit)
        await peer.wait_for(lambda: download.received == limit)
        peer.consumed(download.received - download.consumed)
        download.consumed = download.received
        await peer.call("Ping")
        assert download.received == limit
    await download.finished
    assert download.digest.name() == source.digest()
    await peer.close()


async def test_what_we_announce_is_kept_to(daemon):
    """The smallest chunk, and a single stream at a time; the peer checks each box."""
    peer = await daemon.connect(chunk=1_024, max_streams=1)
    source = Pattern(300_001, seed=7)
    await put(peer, "small", source)
    peer.trace = []
    assert await digest_get(peer, "small") == source.digest("xxh3")
    assert max(count for _, count in peer.trace) == 1_024
    held, _ = await open_get(peer, "small", {"automatic": False})
    async with refused("LIMIT"):
        await open_get(peer, "small")
    held.automatic = True
    held.consume(held.received)
    await held.finished
    assert await digest_get(peer, "small") == source.digest("xxh3")
    await peer.close()


async def test_refused_uploads_give_their_credit_back(daemon):
    """Error after error while data is on its way: what is discarded is credited at once."""
    peer = await daemon.connect()
    window = peer.theirs["connection-window"]
    while peer.sent < 3 * window:
        calls = [put(peer, "../refused", Pattern(8 * MIB)) for _ in range(32)]
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {error.code for error in errors} == {"BAD_NAME"}
        if peer.send_limit - peer.sent < window // 4:
            limit = peer.send_limit
            await peer.wait_for(lambda: peer.send_limit > limit)
    source = Pattern(8 * MIB)
    assert (await put(peer, "good", source, digest="xxh3"))["digest"].decode() == (
        source.digest("xxh3"))
    await peer.close()
    await daemon.leaves_no_upload()


async def test_a_window_of_one_byte(daemon):
    peer = await daemon.connect(window=1, connection_window=1)
    await put(peer, "tiny", b"byte by byte")
    download, _ = await open_get(peer, "tiny", {"keep": True})
    await download.finished
    assert download.content == b"byte by byte"
    await peer.close()


async def test_unread_streams_starve_no_other(daemon):
    """Three streams that nobody reads hold most of the window; the fourth uses what is left."""
    peer = await daemon.connect(window=262_144, connection_window=1_048_576)
    source = Pattern(4 * MIB, seed=9)
    await put(peer, "file", source)
    unread = [(await open_get(peer, "file", {"automatic": False}))[0] for _ in range(3)]
    await peer.wait_for(lambda: all(download.received == 262_144 for download in unread))
    assert await digest_get(peer, "file") == source.digest("xxh3")
    await put(peer, "meanwhile", source)
    await works(peer)
    for download in unread:
        download.automatic = True
        download.consume(download.received)
    await asyncio.gather(*(download.finished for download in unread))
    await peer.close()


async def test_stalled_uploads_starve_no_other(daemon):
    """Uploads whose client went quiet hold their place; others go on."""
    peer = await daemon.connect()
    stalled = [Upload(Pattern(10 * MIB), gate=100_000) for _ in range(32)]
    calls = [peer.start("Put", upload=upload, filename=f"stalled {number}")
             for number, upload in enumerate(stalled)]
    await peer.wait_for(lambda: all(upload.sent == 100_000 for upload in stalled))
    source = Pattern(8 * MIB, seed=4)
    answer = await put(peer, "moving", source, digest="xxh3")
    assert answer["digest"].decode() == source.digest("xxh3")
    await works(peer)
    for upload in stalled:
        peer.reset(upload)
    await asyncio.gather(*calls, return_exceptions=True)
    await peer.close()
    await daemon.leaves_no_upload()


@pytest.mark.slow
async def test_a_thousand_files_on_one_connection(daemon):
    peer = await daemon.connect()
    sources = [Pattern(number * 37 % 5_000, seed=number) for number in range(1_000)]
    for start in range(0, 1_000, 100):
        answers = await asyncio.gather(*(
            put(peer, f"many/{number}", sources[number], digest="xxh3")
            for number in range(start, start + 100)))
        for number, answer in enumerate(answers, start):
            assert answer["digest"].decode() == sources[number].digest("xxh3")
    await works(peer)
    await peer.close()
