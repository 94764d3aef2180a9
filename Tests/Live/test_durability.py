"""What was answered stays, whatever dies; what was not is whole or absent, or resumes."""

import asyncio
import os
import random
import shutil
import subprocess

import pytest

from amppeer import RemoteError, Upload
from calls import digest_get, get, names, put, refused, works
from sources import Pattern, digest_of

MIB = 1 << 20
TOKEN = bytes(range(200, 232))


class Rest:
    """A source from an offset on."""

    def __init__(self, source, start):
        self.source, self.start = source, start

    def __len__(self):
        return len(self.source) - self.start

    def read(self, offset, count):
        return self.source.read(self.start + offset, count)


async def durable(peer, token=TOKEN):
    """What the daemon holds of an interrupted Put; it may still be noticing the interruption."""
    while True:
        try:
            status = await peer.call("UploadStatus", token=token)
            return int(status["offset"]), status
        except RemoteError as error:
            if error.code != "NOT_FOUND":
                raise
            await asyncio.sleep(0.02)


async def resume(peer, name, source, token=TOKEN):
    offset, status = await durable(peer, token)
    assert 0 <= offset <= len(source)
    if "digest" in status:
        algorithm = status["digest"].decode().split(":")[0]
        assert status["digest"].decode() == digest_of(read(source, offset), algorithm)
    rest = Rest(source, offset)
    upload = Upload(rest, length=len(rest), digest=source.digest("sha256", offset))
    answer = await peer.call("Put", upload=upload, filename=name, token=token, offset=offset,
                             digest="xxh3")
    assert int(answer["size"]) == len(source)
    assert answer["digest"].decode() == source.digest("xxh3")
    assert await digest_get(peer, name) == source.digest("xxh3")
    async with refused("NOT_FOUND"):
        await peer.call("UploadStatus", token=token)
    return offset


def read(source, count):
    return b"".join(bytes(source.read(offset, min(MIB, count - offset)))
                    for offset in range(0, count, MIB))


async def interrupt(daemon, source, at, cut, name="resumed"):
    """Sends `at` bytes of a Put with a token, then cuts."""
    peer = await daemon.connect()
    upload = Upload(source, gate=at)
    peer.start("Put", upload=upload, filename=name, token=TOKEN, offset=0)
    await peer.wait_for(lambda: upload.sent == at)
    await peer.call("Ping")
    if cut == "reset":
        peer.transport.abort()
    elif cut == "close":
        peer.transport.close()
    else:
        daemon.kill()
    await peer.wait_lost()
    if cut == "kill":
        daemon.start()


@pytest.mark.parametrize("cut", ["close", "reset", "kill"])
@pytest.mark.parametrize("at", [0, 1, 100_000, 20 * MIB + 12_345])
async def test_an_interrupted_put_resumes(daemon, cut, at):
    source = Pattern(24 * MIB + 1, seed=at)
    await interrupt(daemon, source, at, cut)
    peer = await daemon.connect()
    if cut == "kill" and at < 20 * MIB:
        # Nothing need be durable of so little; then it starts anew.
        try:
            await peer.call("UploadStatus", token=TOKEN)
        except RemoteError as error:
            assert error.code == "NOT_FOUND"
            await put(peer, "resumed", source, token=TOKEN, offset=0)
            await peer.close()
            return
    assert await names(peer, recursive=True) == []
    offset = await resume(peer, "resumed", source)
    assert offset <= at
    if cut == "kill" and at > 20 * MIB:
        assert offset > 0, "20 MiB and not a checkpoint among them"
    await peer.close()
    await daemon.leaves_no_upload()


@pytest.mark.parametrize("cut", ["close", "reset"])
async def test_what_was_written_when_the_connection_broke_is_kept(daemon, cut):
    """What had been credited was written, though no checkpoint had come yet."""
    source = Pattern(24 * MIB, seed=7)
    peer = await daemon.connect()
    upload = Upload(source, gate=5 * MIB)
    peer.start("Put", upload=upload, filename="broken", token=TOKEN, offset=0)
    await peer.wait_for(lambda: upload.sent == 5 * MIB and upload.limit > 5 * MIB)
    other = await daemon.connect()
    written = upload.limit - 2 * MIB  # no window of a stream is larger than 2 MiB
    peer.transport.abort() if cut == "reset" else peer.transport.close()
    await peer.wait_lost()
    offset = 0
    while offset < written:  # the daemon may still be noticing
        offset, _ = await durable(other)
    assert offset <= 5 * MIB
    await other.close()


async def test_a_resumed_put_may_begin_earlier_but_not_later(daemon):
    source = Pattern(24 * MIB, seed=2)
    await interrupt(daemon, source, 20 * MIB, "kill")
    peer = await daemon.connect()
    offset, _ = await durable(peer)
    assert offset > 0
    async with refused("BAD_OFFSET"):
        await put(peer, "resumed", Rest(source, offset + 1), token=TOKEN, offset=offset + 1)
    async with refused("BAD_TOKEN"):
        await put(peer, "another name", Rest(source, offset), token=TOKEN, offset=offset)
    assert (await durable(peer))[0] == offset
    earlier = offset // 2
    answer = await put(peer, "resumed", Rest(source, earlier), token=TOKEN, offset=earlier,
                       digest="sha256")
    assert answer["digest"].decode() == source.digest()
    await peer.close()
    await daemon.leaves_no_upload()


async def test_a_resumed_put_is_checked(daemon):
    """Its length and digest are those of the remaining bytes."""
    source = Pattern(24 * MIB, seed=2)
    await interrupt(daemon, source, 20 * MIB, "kill")
    peer = await daemon.connect()
    offset, _ = await durable(peer)
    assert offset > 0
    upload = Upload(Rest(source, offset), digest=source.digest())
    async with refused("MISMATCH"):
        await peer.call("Put", upload=upload, filename="resumed", token=TOKEN, offset=offset)
    assert await names(peer, recursive=True) == []
    await works(peer)
    await peer.close()


async def test_tokens(daemon):
    peer = await daemon.connect()
    async with refused("NOT_FOUND"):
        await peer.call("UploadStatus", token=b"never was a token")
    for token in (b"", b"short", b"t" * 65):
        async with refused("BAD_TOKEN", "BAD_ARGUMENT"):
            await put(peer, "x", b"data", token=token, offset=0)
        async with refused("BAD_TOKEN", "BAD_ARGUMENT", "NOT_FOUND"):
            await peer.call("UploadStatus", token=token)
    async with refused("BAD_OFFSET", "NOT_FOUND"):
        await put(peer, "x", b"data", token=TOKEN, offset=5)
    for token in (bytes(16), b"../../etc/passwd", b"\xff" * 64, b"a/b\0c" * 4):
        await put(peer, "x", b"data", token=token, offset=0)
        async with refused("NOT_FOUND"):
            await peer.call("UploadStatus", token=token)
    await works(peer)
    await peer.close()
    await daemon.leaves_no_upload()


async def test_a_second_put_takes_a_live_token_over(daemon):
    first, second = await daemon.connect(), await daemon.connect()
    source = Pattern(4 * MIB, seed=3)
    upload = Upload(source, gate=2 * MIB)
    older = first.start("Put", upload=upload, filename="taken", token=TOKEN, offset=0)
    await first.wait_for(lambda: upload.sent == 2 * MIB)
    answer = await put(second, "taken", source, token=TOKEN, offset=0, digest="xxh3")
    assert answer["digest"].decode() == source.digest("xxh3")
    async with refused("CANCELLED"):
        await older
    assert upload.stopped == "CANCELLED"
    assert await digest_get(second, "taken") == source.digest("xxh3")
    for peer in (first, second):
        await works(peer)
        await peer.close()
    await daemon.leaves_no_upload()


async def test_a_cut_connection_leaves_no_upload_without_a_token(daemon):
    for cut in ("abort", "close"):
        peer = await daemon.connect()
        uploads = [Upload(Pattern(10 * MIB), gate=100_000) for _ in range(5)]
        for number, upload in enumerate(uploads):
            peer.start("Put", upload=upload, filename=f"cut {number}")
        await peer.wait_for(lambda: all(upload.sent == 100_000 for upload in uploads))
        getattr(peer.transport, cut)()
        await peer.wait_lost()
        await daemon.leaves_no_upload()
    peer = await daemon.connect()
    assert await names(peer, recursive=True) == []
    await peer.close()


@pytest.mark.slow
async def test_answered_puts_survive_kill_9(daemon):
    """Again and again, at any moment; the others are whole or absent."""
    chance = random.Random(9)
    versions, answered, serial = {}, {}, 0  # by name: every digest ever sent, the last answered
    for _ in range(int(os.environ.get("AMPD_KILLS", "20"))):
        peer = await daemon.connect()
        running = {}

        async def one(lane):
            nonlocal serial
            while True:
                serial += 1
                name = f"{lane}/{serial % 5}"
                source = Pattern(chance.choice([0, 10, 70_000, 500_000, 2 * MIB]), seed=serial)
                digest = source.digest("xxh3")
                versions.setdefault(name, set()).add(digest)
                running[lane] = (name, digest)
                await put(peer, name, source)
                answered[name] = digest
                running.pop(lane)

        lanes = [asyncio.ensure_future(one(lane)) for lane in range(6)]
        await asyncio.sleep(chance.uniform(0.01, 0.4))
        daemon.kill()
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        await peer.wait_lost()
        daemon.start()

        peer = await daemon.connect()
        unanswered = dict(running.values())
        present = {name for name in await names(peer, recursive=True) if name in versions}
        for name in versions:
            allowed = {unanswered.get(name), answered.get(name)}
            if name not in present:
                assert answered.get(name) is None, f"{name} was answered and is gone"
                continue
            digest = await digest_get(peer, name)
            assert digest in allowed, f"{name} is neither what was answered nor what was sent"
            answered[name] = digest
        await daemon.leaves_no_upload()
        await peer.close()


async def test_sigterm_lets_streams_finish(daemon):
    peer = await daemon.connect()
    source = Pattern(6 * MIB, seed=11)
    upload = Upload(source, gate=MIB)
    call = peer.start("Put", upload=upload, filename="draining", digest="xxh3")
    await peer.wait_for(lambda: upload.sent == MIB)
    daemon.process.terminate()
    await peer.wait_for(lambda: peer.goaway is not None)
    assert peer.goaway[0] == "GOAWAY"
    async with refused("GOAWAY"):
        await peer.call("Stat", filename="draining")
    upload.gate = 2**63
    peer.pump()
    assert (await call)["digest"].decode() == source.digest("xxh3")
    await peer.wait_lost()
    await asyncio.to_thread(daemon.process.wait, 60)
    daemon.start()
    peer = await daemon.connect()
    assert await digest_get(peer, "draining") == source.digest("xxh3")
    await peer.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few pages."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a full disk needs root, to mount a tmpfs")
    root = tmp_path / "full"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "ampd-test", root]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a full disk needs a tmpfs, and mount does not let us")
    yield root
    subprocess.run(["umount", root], check=True)


async def test_a_full_disk_is_said_and_survived(small_disk, tmp_path):
    from daemon import Daemon

    daemon = Daemon(small_disk)
    daemon.start()
    try:
        peer, other = await daemon.connect(), await daemon.connect()
        await put(other, "before", b"fits")
        before = daemon.descriptors()
        for length in (None, 200_000):
            for token in (None, TOKEN):
                source = Pattern(200_000)
                upload = Upload(source, length=length)
                async with refused("NO_SPACE"):
                    await peer.call("Put", upload=upload, filename="large", token=token,
                                    offset=None if token is None else 0)
                await works(other)
        async with refused("NOT_FOUND"):
            await peer.call("Stat", filename="large")
        assert await get(peer, "before") == b"fits"
        await works(peer)
        await daemon.settles_to(before)
        await peer.close()
        await other.close()
        assert not [name for name in daemon.unfinished() if TOKEN.hex() not in name]
    finally:
        daemon.stop()
