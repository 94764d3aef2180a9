"""Attacks: each has its stated answer, and nobody else notices.

Every test runs beside a second connection that must keep working, and ends with the daemon's
descriptors back at their number and no temporary file left.
"""

import asyncio
import os
import socket

import pytest

from amppeer import Peer, RemoteError, Upload, encode_box
from calls import get, put, refused, works
from sources import Pattern

GARBAGE = bytes(range(255, 0, -1)) * 50
HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
TLS = bytes.fromhex("16030100c8010000c403036b1f")


@pytest.fixture
def scene(daemon):
    return Scene(daemon)


class Scene:
    """The attacked daemon, and a bystander on another connection."""

    def __init__(self, daemon):
        self.daemon = daemon

    async def __aenter__(self):
        self.bystander = await self.daemon.connect()
        await works(self.bystander)
        # What a first connection made the daemon open stays open: count from here.
        peer = await self.daemon.connect()
        await works(peer)
        await peer.close()
        await asyncio.sleep(0.1)
        self.before = self.daemon.descriptors()
        upload = Upload(Pattern(3_000_000), gate=1_000_000)
        self.running = self.bystander.start("Put", upload=upload, filename="bystander's")
        self.upload = upload
        return self

    async def __aexit__(self, kind, *_):
        if kind:
            return
        await works(self.bystander)
        self.upload.gate = 2**63
        self.bystander.pump()
        await self.running
        await self.bystander.close()
        await self.daemon.settles_to(self.before)
        await self.daemon.leaves_no_upload()

    async def attacker(self, **options):
        return await self.daemon.connect(**options)


async def closes(peer, code=None):
    """The daemon ends the connection; to who said hello it says why first."""
    await peer.wait_lost()
    if code:
        assert peer.goaway is not None, "no stream-goaway before the connection was closed"
        assert peer.goaway[0] in code.split("|"), peer.goaway
        assert peer.goaway[1], "a goaway without a reason"
    await peer.close()


@pytest.mark.parametrize("attack", [
    GARBAGE, HTTP, TLS, b"\0\0", b"\x01\x2c" + b"k" * 300, b"\0" * 100_000,
    encode_box([("a", "1")]), encode_box([("_ask", "1"), ("filename", "x")]),
    b"\xff", encode_box([("_ask", "1"), ("_command", "Ping")])[:-2] + b"\x01\x00",
], ids=["garbage", "http", "tls", "empty box", "key of 300", "zeros", "no reserved key",
        "only an ask", "one byte", "a key of 256 in a good box"])
@pytest.mark.parametrize("hello", [False, True], ids=["stock", "hello"])
async def test_what_is_not_amp_is_closed(scene, attack, hello):
    async with scene:
        peer = await scene.attacker(hello=hello)
        peer.send_raw(attack)
        await closes(peer, "REFUSED|LIMIT" if hello else None)


@pytest.mark.parametrize("hello", [False, True], ids=["stock", "hello"])
async def test_answers_owed_come_before_the_close(scene, hello):
    """As Twisted does: what was asked before the bad box is answered."""
    async with scene:
        peer = await scene.attacker(hello=hello)
        call = peer.start("Ping")
        peer.send_raw(HTTP)
        assert await call == {}
        await closes(peer)


@pytest.mark.parametrize("hello", [False, True], ids=["stock", "hello"])
@pytest.mark.parametrize("key, value", [("k", b""), ("key", b"v" * 100), ("same", b"x" * 60_000)])
async def test_endless_keys(scene, key, value, hello):
    async with scene:
        peer = await scene.attacker(hello=hello)
        box = [("_ask", "77"), ("_command", "Ping")]
        box += [(f"{key}{number}", value) for number in range(2_000_000 // (len(value) + 10))]
        data = encode_box(box)[:-2]
        for start in range(0, len(data), 65_536):
            peer.send_raw(data[start : start + 65_536])
            if peer.lost.done():
                break
            await asyncio.sleep(0)
        await closes(peer, "LIMIT" if hello else None)


async def test_half_a_box_then_silence(make_daemon):
    daemon = make_daemon("limits.box_seconds=1")
    async with Scene(daemon) as scene:
        stock = await scene.attacker(hello=False)
        silent = await scene.attacker()
        idle = await scene.attacker(hello=False)
        for peer in (stock, silent):
            peer.send_raw(encode_box([("_ask", "1"), ("_command", "Ping")])[:-1])
        await closes(silent, "TIMEOUT|LIMIT")
        await closes(stock)
        # Silence between boxes is never timed.
        assert not idle.lost.done()
        assert await idle.call("Ping") == {}
        await idle.close()


async def test_a_dripped_box_is_timed_as_a_whole(make_daemon):
    daemon = make_daemon("limits.box_seconds=1")
    async with Scene(daemon) as scene:
        peer = await scene.attacker()
        for byte in encode_box([("_command", "Ping"), ("drip", b"x" * 60_000)]):
            peer.send_raw(bytes([byte]))
            await asyncio.sleep(0.05)
            if peer.lost.done():
                break
        await closes(peer, "TIMEOUT|LIMIT")


async def test_data_past_the_stream_credit(scene):
    """`stream-stop` FLOW, then close; what was sent before is not stored."""
    async with scene:
        peer = await scene.attacker()
        window, chunk = peer.theirs["window"], peer.theirs["chunk"]
        upload = Upload(Pattern(window), gate=0)
        peer.start("Put", upload=upload, filename="overrun")
        limit = upload.limit
        sent = 0
        # Faster than any credit can come: all in one write, ten windows of it.
        flood = b""
        while sent <= limit + 9 * window:
            flood += encode_box([("_command", "stream-data"), ("id", upload.id),
                                 ("data", bytes(chunk))])
            sent += chunk
        peer.send_raw(flood)
        await peer.wait_lost()
        assert upload.stopped == "FLOW"
        await closes(peer)
        async with refused("NOT_FOUND"):
            await scene.bystander.call("Stat", filename="overrun")


async def test_a_chunk_larger_than_announced(scene):
    async with scene:
        peer = await scene.attacker()
        upload = Upload(Pattern(100_000), gate=0)
        peer.start("Put", upload=upload, filename="fat")
        peer.send(("_command", "stream-data"), ("id", upload.id),
                  ("data", bytes(peer.theirs["chunk"] + 1)))
        await closes(peer, "FLOW|REFUSED|LIMIT")


@pytest.mark.parametrize("box", [
    [("_command", "stream-data"), ("id", "one"), ("data", "x")],
    [("_command", "stream-data"), ("id", "-1"), ("data", "x")],
    [("_command", "stream-data"), ("id", "1 "), ("data", "x")],
    [("_command", "stream-data"), ("id", str(2**63)), ("data", "x")],
    [("_command", "stream-data"), ("id", "9" * 400), ("data", "x")],
    [("_command", "stream-data"), ("data", "x")],
    [("_command", "stream-data"), ("id", "1")],
    [("_command", "stream-data"), ("id", "1"), ("id", "2"), ("data", "x")],
    [("_command", "stream-data"), ("id", "1"), ("id", "1"), ("data", "x")],
    [("_command", "stream-credit"), ("id", "1"), ("limit", str(2**63))],
    [("_command", "stream-credit"), ("id", "0"), ("limit", str(2**64))],
    [("_command", "stream-credit"), ("id", "0"), ("limit", "lots")],
    [("_command", "stream-credit"), ("id", "0")],
    [("_command", "stream-end"), ("id", "1"), ("length", "long")],
    [("_command", "stream-end"), ("id", "1")],
    [("_command", "stream-reset"), ("code", "CANCELLED")],
    [("_command", "stream-stop"), ("id", ""), ("code", "CANCELLED")],
], ids=lambda box: ",".join(f"{key}={value[:12]}" for key, value in box[0:]))
async def test_a_stream_command_that_does_not_decode(scene, box):
    """A connection error."""
    async with scene:
        peer = await scene.attacker()
        peer.send(*box)
        await closes(peer, "REFUSED|FLOW|LIMIT")


async def test_a_repeated_id_in_an_opening_box(scene):
    async with scene:
        peer = await scene.attacker()
        peer.send(("_ask", "x1"), ("_command", "Put"), ("filename", "twice"),
                  ("upload", "1"), ("upload", "1"))
        # Of a repeated key the last wins in a command: one stream, number 1.
        peer.asks[b"x1"] = (asyncio.get_running_loop().create_future(), (), {}, [])
        call = peer.asks[b"x1"][0]
        peer.uploads[1] = upload = Upload(b"")
        peer.next_upload, upload.id, upload.limit = 1, 1, peer.theirs["window"]
        peer.command("stream-end", id=1, length=0)
        await call
        upload.closed = True
        # An id at or below the highest seen is closed: no stream comes of it.
        reused = peer.start("Put", upload=b"1", filename="reused")
        outcome = asyncio.ensure_future(asyncio.wait({reused, asyncio.shield(peer.lost)},
                                        return_when=asyncio.FIRST_COMPLETED))
        await outcome
        assert reused.done() or peer.lost.done()
        if reused.done():
            assert reused.exception() is not None
        async with refused("NOT_FOUND"):
            await scene.bystander.call("Stat", filename="reused")
        await peer.close()


async def test_data_for_a_stream_that_nobody_opened(scene):
    """Discarded, answered once with `stream-stop` REFUSED; the connection stays."""
    async with scene:
        peer = await scene.attacker()
        stray = Upload(b"")
        peer.next_upload, stray.id, stray.limit = 7, 7, 2**62
        peer.uploads[7] = stray
        for _ in range(5):
            peer.send(("_command", "stream-data"), ("id", 7), ("data", b"stray"))
        peer.sent += 25
        await peer.wait_for(lambda: stray.stopped)
        assert stray.stopped == "REFUSED"
        await peer.call("Ping")
        # Its bytes were credited back at once, and the connection goes on as if nothing were.
        await works(peer)
        for name in ("stream-credit", "stream-stop"):
            peer.command(name, id=99, limit=5, code="CANCELLED")
        await works(peer)
        await peer.close()


async def test_stray_data_does_not_use_up_the_connection(scene):
    """All data counts toward the connection's credit, discarded too, and comes back."""
    async with scene:
        peer = await scene.attacker()
        chunk = peer.theirs["chunk"]
        stray = Upload(b"")
        peer.next_upload, stray.id, stray.limit = 1, 1, 2**62
        peer.uploads[1] = stray
        target = 3 * peer.theirs["connection-window"]
        while peer.sent < target:
            await peer.wait_for(lambda: peer.send_limit - peer.sent >= chunk)
            peer.send(("_command", "stream-data"), ("id", 1), ("data", bytes(chunk)))
            peer.sent += chunk
        await works(peer)
        await peer.close()


async def test_too_many_streams(make_daemon):
    daemon = make_daemon("limits.max_streams=4")
    async with Scene(daemon) as scene:
        peer = await scene.attacker()
        assert peer.theirs["max-streams"] == 4
        uploads = [Upload(b"data" * number, gate=0) for number in range(5)]
        calls = [peer.start("Put", upload=upload, filename=f"many {number}")
                 for number, upload in enumerate(uploads)]
        # A gate of 0 lets the empty one end at once; fill its place.
        await calls[0]
        fifth = peer.start("Put", upload=Upload(b"late", gate=0), filename="fifth")
        async with refused("LIMIT"):
            await fifth
        for upload in uploads:
            upload.gate = 2**63
        peer.pump()
        await asyncio.gather(*calls)
        await works(peer)
        await peer.close()


async def test_too_many_asks(make_daemon):
    daemon = make_daemon("limits.max_asks=4")
    async with Scene(daemon) as scene:
        peer = await scene.attacker()
        assert peer.theirs["max-asks"] == 4
        for number in range(5):
            peer.start("Put", upload=Upload(b"data", gate=0), filename=f"ask {number}")
        await closes(peer, "LIMIT")


@pytest.mark.slow
async def test_an_asker_that_never_reads(scene):
    """Its answers wait within bounds; memory stays flat and everybody else is served."""
    async with scene:
        host, _, port = scene.daemon.address.rpartition(":")
        before = scene.daemon.resident()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect((host, int(port)))
            deaf.setblocking(False)
            ask = encode_box([("_ask", b"t" * 1_000), ("_command", "Ping")]) * 64
            loop, sent = asyncio.get_running_loop(), 0
            try:
                while sent < 64 << 20:
                    await asyncio.wait_for(loop.sock_sendall(deaf, ask), 2)
                    sent += len(ask)
            except (asyncio.TimeoutError, ConnectionError):
                pass
            await works(scene.bystander)
            assert scene.daemon.resident() - before < 16 << 20


async def test_links_are_never_followed(scene, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root = scene.daemon.root
    async with scene:
        (root / "to file").symlink_to(outside / "secret")
        (root / "to directory").symlink_to(outside)
        (root / "inner").symlink_to("probe")
        (root / "loop").symlink_to("loop")
        (root / "to root").symlink_to("/")
        peer = await scene.attacker()
        beneath = ["to directory/secret", "to root/etc/passwd", "loop/x", "inner/new"]
        for name in ["to file", "loop", "to directory", *beneath]:
            for command in ("Get", "Stat"):
                async with refused("NOT_FOUND", "BAD_NAME", "DENIED"):
                    await peer.call(command, filename=name)
        for name in beneath:
            async with refused("NOT_FOUND", "BAD_NAME", "DENIED"):
                await put(peer, name, b"overwritten")
        async with refused("NOT_FOUND", "BAD_NAME", "DENIED"):
            await peer.call("Remove", filename="to directory/secret")
        # A name that is a link itself: replaced or refused, but nothing behind it changes.
        try:
            await put(peer, "to file", b"overwritten")
        except RemoteError as error:
            assert error.code in ("NOT_FOUND", "BAD_NAME", "DENIED", "EXISTS"), error
        assert (outside / "secret").read_bytes() == b"secret"
        assert os.listdir(outside) == ["secret"]
        await works(peer)
        await peer.close()


async def test_what_is_not_a_file_is_not_served(scene):
    """A FIFO would block who opens it."""
    async with scene:
        os.mkfifo(scene.daemon.root / "fifo")
        peer = await scene.attacker()
        for command in ("Get", "Stat"):
            try:
                await peer.call(command, filename="fifo")
                assert command == "Stat", "a Get of a FIFO was answered"
            except RemoteError as error:
                assert error.code in ("NOT_FOUND", "BAD_NAME", "DENIED", "IO"), error
        await works(peer)
        await peer.close()


async def test_a_half_close_is_answered_in_full(scene):
    """When the peer half-closes, owed answers and open downloads are still sent."""
    async with scene:
        peer = await scene.attacker(window=2**62, connection_window=2**62)
        source = Pattern(5_000_000, seed=1)
        await put(peer, "whole", source)
        answer = await peer.call("Get", downloads=["download"], filename="whole",
                                 options={"automatic": False, "digest": "sha256"})
        peer.start("Ping")
        last = peer.start("Stat", filename="whole")
        peer.transport.write_eof()
        await answer["download"].finished
        assert answer["download"].digest.name() == source.digest()
        assert int((await last)["size"]) == 5_000_000
        await closes(peer)


@pytest.mark.slow
async def test_many_connections_come_and_go(scene):
    async with scene:
        for _ in range(20):
            peers = await asyncio.gather(*(scene.attacker(hello=False) for _ in range(50)))
            await asyncio.gather(*(peer.call("Ping") for peer in peers))
            for number, peer in enumerate(peers):
                if number % 3:
                    peer.transport.abort()
                else:
                    await peer.close()


@pytest.mark.slow
async def test_open_and_cancel_in_a_loop(scene):
    """Rapid reset: bounded work, a drained connection at the worst, nothing left."""
    async with scene:
        peer = await scene.attacker()
        for number in range(5_000):
            upload = Upload(b"data", gate=0)
            peer.start("Put", upload=upload, filename=f"reset {number}")
            peer.reset(upload)
            if number % 100 == 0:
                await asyncio.sleep(0)
                if peer.lost.done():
                    break
                await asyncio.wait({asyncio.ensure_future(asyncio.wait(
                    [ask[0] for ask in peer.asks.values()] or [peer.lost])), peer.lost},
                    return_when=asyncio.FIRST_COMPLETED)
        await works(scene.bystander)
        peer.transport.abort()
        await peer.wait_lost()


async def test_credit_in_single_bytes(scene):
    """Limits that rise by one, a lower one, the largest there is: nothing breaks."""
    async with scene:
        peer = await scene.attacker()
        await put(peer, "x", Pattern(2_000_000))
        answer = await peer.call("Get", downloads=["download"], filename="x",
                                 options={"automatic": False})
        download = answer["download"]
        await peer.wait_for(lambda: download.received == download.limit)
        for step in range(2_000):
            download.grant(download.limit + 1)
        download.grant(2**63 - 1)
        peer.command("stream-credit", id=download.id, limit=5)  # lower: ignored
        peer.command("stream-credit", id=0, limit=2**63 - 1)
        peer.receive_limit = 2**63 - 1
        await download.finished
        assert download.received == 2_000_000
        await peer.close()
