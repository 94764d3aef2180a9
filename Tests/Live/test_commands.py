"""A walk through ampd's commands and every error that they declare."""

import os
import re
import time

import pytest

from amppeer import Upload
from calls import digest_get, get, listing, names, open_get, put, refused, works
from sources import Pattern, digest_of

DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}-00:00")
TEXT = b"The quick brown fox jumps over the lazy dog.\n" * 100


async def test_hello_settles_both_directions(daemon):
    peer = await daemon.connect()
    assert peer.theirs["version"] == 1
    assert peer.theirs["chunk"] == 61_440
    assert {"ping", "goaway", "cancel", "priority", "xxh3"} >= set(peer.features)
    assert (await peer.call("stream-ping", nonce=b"\0\xff")).get("nonce") == b"\0\xff"
    async with refused("ALREADY"):
        await peer.call("stream-hello", **peer.own_settings())
    await works(peer)
    await peer.close()


async def test_ping_and_status(daemon):
    peer = await daemon.connect()
    assert await peer.call("Ping") == {}
    status = await peer.call("Status")
    assert status and all(value.decode().isprintable() for value in status.values())
    await peer.close()


@pytest.mark.parametrize("size", [0, 1, 61_439, 61_440, 61_441, 300_000, 3_000_001])
async def test_what_was_put_is_got(daemon, size):
    peer = await daemon.connect()
    source = Pattern(size, seed=size)
    for algorithm in ("xxh3", "sha256"):
        name = f"files/{algorithm} of {size} €"
        answer = await put(peer, name, source, digest=algorithm)
        assert int(answer["size"]) == size
        assert answer["digest"].decode() == source.digest(algorithm)
        assert (daemon.root / name).stat().st_size == size
        assert await digest_get(peer, name, algorithm) == source.digest(algorithm)
        stat = await peer.call("Stat", filename=name, digest=algorithm)
        assert int(stat["size"]) == size
        assert stat["digest"].decode() == source.digest(algorithm)
    assert "digest" not in await put(peer, "plain", source)
    await peer.close()
    await daemon.leaves_no_upload()


async def test_a_stream_may_say_its_length_and_digest(daemon):
    peer = await daemon.connect()
    for algorithm in ("xxh3", "sha256"):
        right = digest_of(TEXT, algorithm)
        upload = Upload(TEXT, length=len(TEXT), digest=right, priority="u1", end_digest=right)
        await put(peer, algorithm, TEXT, upload=upload)
        assert await get(peer, algorithm) == TEXT
    await peer.close()


@pytest.mark.parametrize("upload", [
    dict(length=len(TEXT) + 1),
    dict(length=len(TEXT) - 1),
    dict(length=0),
    dict(digest=digest_of(b"another")),
    dict(digest=digest_of(b"another", "xxh3")),
    dict(end_length=len(TEXT) - 1),
    dict(end_length=len(TEXT) + 1),
    dict(digest=digest_of(TEXT), end_digest=digest_of(b"another")),
])
async def test_a_stream_that_is_not_what_it_said_is_not_stored(daemon, upload):
    peer = await daemon.connect()
    await put(peer, "kept", b"before")
    async with refused("MISMATCH"):
        await put(peer, "kept", TEXT, upload=Upload(TEXT, **upload))
    assert await get(peer, "kept") == b"before"
    async with refused("MISMATCH"):
        await put(peer, "new", TEXT, upload=Upload(TEXT, **upload))
    async with refused("NOT_FOUND"):
        await peer.call("Stat", filename="new")
    await works(peer)
    await peer.close()
    await daemon.leaves_no_upload()


async def test_get_takes_a_part(daemon):
    peer = await daemon.connect()
    source = Pattern(200_000, seed=5)
    await put(peer, "part", source)
    whole = bytes(source.read(0, 200_000))
    parts = [(0, 0), (0, 1), (1, 1), (61_440, 61_440), (199_999, 1), (123_457, 54_321)]
    for offset, length in parts:
        expected = whole[offset : offset + length]
        assert await get(peer, "part", offset=offset, length=length) == expected
        digest = await digest_get(peer, "part", offset=offset, length=length)
        assert digest == digest_of(expected, "xxh3")
    assert await get(peer, "part", offset=150_000) == whole[150_000:]
    download, answer = await open_get(peer, "part", offset=199_000)
    await download.finished
    assert int(answer["size"]) == 200_000
    assert DATETIME.fullmatch(answer["modified"].decode())
    assert download.end_digest is None
    async with refused("BAD_OFFSET"):
        await open_get(peer, "part", offset=200_001)
    async with refused("BAD_OFFSET"):
        await open_get(peer, "part", offset=2**63 - 1)
    await works(peer)
    await peer.close()


async def test_get_reads_the_file_as_it_was_when_opened(daemon):
    peer = await daemon.connect(window=65_536)
    source = Pattern(1_000_000, seed=6)
    await put(peer, "moving", source)
    options = {"automatic": False, "digest": "sha256"}
    first, _ = await open_get(peer, "moving", options)
    await peer.wait_for(lambda: first.received == 65_536)
    await put(peer, "moving", b"another file by now")
    second, _ = await open_get(peer, "moving", {"keep": True})
    await second.finished
    assert second.content == b"another file by now"
    await peer.call("Remove", filename="moving")
    first.automatic = True
    first.consume(first.received)
    await first.finished
    assert first.digest.name() == source.digest()
    await peer.close()


async def test_get_stops_when_asked(daemon):
    peer = await daemon.connect(window=65_536)
    await put(peer, "long", Pattern(5_000_000))
    download, _ = await open_get(peer, "long", {"automatic": False})
    await peer.wait_for(lambda: download.received == 65_536)
    download.stop()
    await peer.wait_for(lambda: download.over)
    assert download.finished.exception().code == "CANCELLED"
    await works(peer)
    await peer.close()


async def test_a_put_given_up_leaves_nothing(daemon):
    peer = await daemon.connect()
    upload = Upload(Pattern(500_000), gate=100_000)
    call = peer.start("Put", upload=upload, filename="given up")
    await peer.wait_for(lambda: upload.sent == 100_000)
    peer.reset(upload)
    async with refused("CANCELLED"):
        await call
    async with refused("NOT_FOUND"):
        await peer.call("Stat", filename="given up")
    await works(peer)
    await peer.close()
    await daemon.leaves_no_upload()


async def test_a_call_can_be_cancelled(daemon):
    peer = await daemon.connect()
    assert "cancel" in peer.features
    upload = Upload(Pattern(500_000), gate=100_000)
    call = peer.start("Put", upload=upload, filename="cancelled")
    await peer.wait_for(lambda: upload.sent == 100_000)
    peer.reset(upload)
    peer.command("stream-cancel", ask=call.tag)
    async with refused("CANCELLED"):
        await call
    peer.command("stream-cancel", ask=b"nobody's")
    await works(peer)
    await peer.close()
    await daemon.leaves_no_upload()


async def test_stat_and_remove(daemon):
    peer = await daemon.connect()
    before = time.time_ns()
    await put(peer, "a/b/c", b"three")
    stat = await peer.call("Stat", filename="a/b/c")
    assert int(stat["size"]) == 5 and "digest" not in stat
    assert DATETIME.fullmatch(stat["modified"].decode())
    assert abs((daemon.root / "a/b/c").stat().st_mtime_ns - before) < 3_600e9
    async with refused("IS_DIRECTORY"):
        await open_get(peer, "a/b")
    async with refused("IS_DIRECTORY"):
        await put(peer, "a/b", b"not a file's place")
    async with refused("NOT_EMPTY"):
        await peer.call("Remove", filename="a")
    assert await peer.call("Remove", filename="a/b/c") == {}
    assert (daemon.root / "a/b").is_dir(), "directories emptied by Remove stay"
    assert await peer.call("Remove", filename="a/b") == {}
    for command in ("Stat", "Remove"):
        async with refused("NOT_FOUND"):
            await peer.call(command, filename="a/b/c")
    async with refused("NOT_FOUND"):
        await open_get(peer, "never")
    await peer.close()


async def test_list_names_everything_once(daemon):
    peer = await daemon.connect()
    assert await names(peer, recursive=True) == []
    expected = sorted(f"{folder}/{number:03} ü" for folder in ("x", "y/z") for number in range(150))
    for name in expected:
        await put(peer, name, b"." * (len(name) % 7))
    (daemon.root / ".ampd" / "uploads" / "hidden").touch()
    entries = await listing(peer, recursive=True)
    files = [entry for entry in entries if entry.get("kind") != "directory"]
    assert sorted(entry["name"] for entry in files) == expected
    for entry in files:
        assert int(entry["size"]) == len(entry["name"]) % 7
        assert DATETIME.fullmatch(entry["modified"])
    assert {entry["name"].rstrip("/") for entry in await listing(peer)} == {"x", "y"}
    inside = await listing(peer, prefix="y/", recursive=True)
    assert {entry["name"] for entry in inside if entry.get("kind") != "directory"} == {
        name for name in expected if name.startswith("y/")}
    (daemon.root / ".ampd" / "uploads" / "hidden").unlink()
    await peer.close()


async def test_if_absent_is_decided_at_publication(daemon):
    peer = await daemon.connect()
    await put(peer, "once", b"first", if_absent=True)
    async with refused("EXISTS"):
        await put(peer, "once", b"second", if_absent=True)
    assert await get(peer, "once") == b"first"
    await put(peer, "once", b"third", if_absent=False)
    assert await get(peer, "once") == b"third"
    # Of many that race, one wins, and every other is told.
    uploads = [Upload(b"racer %d" % number, gate=3) for number in range(8)]
    calls = [peer.start("Put", upload=upload, filename="race", if_absent=True)
             for upload in uploads]
    await peer.wait_for(lambda: all(upload.sent == 3 for upload in uploads))
    for upload in uploads:
        upload.gate = 2**63
    peer.pump()
    outcomes = []
    for number, call in enumerate(calls):
        try:
            await call
            outcomes.append(number)
        except Exception as error:
            assert getattr(error, "code", None) == "EXISTS", error
    assert len(outcomes) == 1
    assert await get(peer, "race") == b"racer %d" % outcomes[0]
    await peer.close()
    await daemon.leaves_no_upload()


BAD_NAMES = ["", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/..", "../a", "a/../b",
             "a/./b", "a\0b", "a\nb", "a\x1bb", "a\x7fb", "c" * 256, "a/" + "c" * 256 + "/b",
             "/".join(["c" * 240] * 18), ".ampd", ".ampd/uploads", ".ampd/x"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:20]))
async def test_bad_names(daemon, name):
    peer = await daemon.connect()
    before = daemon.descriptors()
    for command in ("Stat", "Get", "Remove"):
        async with refused("BAD_NAME"):
            await peer.call(command, filename=name)
    async with refused("BAD_NAME"):
        await put(peer, name, TEXT)
    await works(peer)
    await daemon.settles_to(before)
    await peer.close()
    assert os.listdir(daemon.root.parent) and not (daemon.root.parent / "a").exists()
    await daemon.leaves_no_upload()


@pytest.mark.parametrize("name", ["c" * 255, ".hidden", "..a", "a..", "...", "~", "-rf", "a b",
                                  ".ampd-not", "x/.ampd", "%2e%2e", "\u202etxt", "ü" * 127,
                                  "e\u0301", "é", "\\..\\"], ids=ascii)
async def test_unusual_names_that_are_good(daemon, name):
    peer = await daemon.connect()
    await put(peer, name, name.encode())
    assert await get(peer, name) == name.encode()
    assert await names(peer, recursive=True) != []
    assert (daemon.root / name).read_bytes() == name.encode()
    await peer.close()


@pytest.mark.parametrize("command, arguments", [
    ("Stat", {}),
    ("Stat", {"filename": b"\xff"}),
    ("Stat", {"filename": "x", "digest": "md5"}),
    ("Get", {}),
    ("Get", {"filename": "x", "offset": "1.0"}),
    ("Get", {"filename": "x", "offset": ""}),
    ("Get", {"filename": "x", "offset": 2**64}),
    ("Get", {"filename": "x", "length": "0x10"}),
    ("Get", {"filename": "x", "digest": "md5"}),
    ("Get", {"filename": "x", "download_priority": "u8"}),
    ("Remove", {}),
    ("List", {"recursive": "yes"}),
    ("List", {"prefix": b"\xc3("}),
    ("UploadStatus", {}),
    ("Put", {"filename": "x"}),
    ("Put", {"filename": "x", "upload": "one"}),
    ("Put", {"filename": "x", "upload": Upload(b"data"), "digest": "crc"}),
    ("Put", {"filename": b"\xff\xfe", "upload": Upload(b"data")}),
    ("Put", {"upload": Upload(b"data")}),
    ("Put", {"filename": "x", "upload": Upload(b"data"), "if_absent": "true"}),
    ("Put", {"filename": "x", "upload": Upload(b"data", length="-1")}),
    ("Put", {"filename": "x", "upload": Upload(b"data", length="ten")}),
    ("Put", {"filename": "x", "upload": Upload(b"data", digest="md5:00")}),
    ("Put", {"filename": "x", "upload": Upload(b"data", digest="sha256:00")}),
    ("Put", {"filename": "x", "upload": Upload(b"data", priority="u9")}),
    ("Put", {"filename": "x", "upload": Upload(b"data"), "token": b"t" * 16, "offset": "-"}),
], ids=lambda value: value if isinstance(value, str) else ",".join(value) or "none")
async def test_a_bad_argument_harms_nothing_else(daemon, command, arguments):
    """Neither the connection nor the other streams on it, nor the store."""
    peer = await daemon.connect()
    await put(peer, "x", b"untouched")
    other = Upload(Pattern(1_000_000), gate=200_000)
    running = peer.start("Put", upload=other, filename="running")
    await peer.wait_for(lambda: other.sent == 200_000)
    async with refused("BAD_ARGUMENT"):
        await peer.call(command, **arguments)
    other.gate = 2**63
    peer.pump()
    await running
    assert await digest_get(peer, "running") == Pattern(1_000_000).digest("xxh3")
    assert await get(peer, "x") == b"untouched"
    await works(peer)
    await peer.close()
    await daemon.leaves_no_upload()


async def test_negative_offsets_are_refused(daemon):
    peer = await daemon.connect()
    await put(peer, "x", TEXT)
    for arguments in ({"offset": -1}, {"length": -1}):
        async with refused("BAD_ARGUMENT", "BAD_OFFSET"):
            await open_get(peer, "x", **arguments)
    await works(peer)
    await peer.close()


async def test_unknown_commands(daemon):
    peer = await daemon.connect()
    async with refused("UNHANDLED"):
        await peer.call("no'pe")
    peer.command("Nope")  # without an ask: ignored
    call = peer.start("nope")
    with pytest.raises(Exception, match=r"UNHANDLED: Unhandled Command: b'nope'"):
        await call
    await works(peer)
    await peer.close()
