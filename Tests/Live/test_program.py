"""The program: its words, its addresses, its way to start and to leave."""

import socket
import subprocess

import pytest

from amppeer import Upload
from calls import digest_get, works
from daemon import Daemon, executable
from sources import Pattern


def run(*words):
    return subprocess.run([executable(), *words], capture_output=True, text=True, timeout=10)


def test_words():
    assert run("--version").stdout.startswith("ampd ")
    assert "--listen" in run("--help").stdout
    assert "chunk" in run("limits").stdout
    for words in (["--no-such"], ["no-such"], ["--listen"], ["--listen", "nowhere"],
                  ["--set", "limits.chunk"], ["check", "--set", "limits.no_such=1"]):
        result = run(*words)
        assert result.returncode != 0 and result.stderr and not result.stdout, words


@pytest.mark.parametrize("line, told", [
    ("[limits]\nchunk = 70000", [":2", "limits.chunk", "65534"]),
    ("[limits]\n\nchunks = 1024", [":3", "limits.chunks"]),
    ("listen = [", [":2"]),
    ("root = 5", [":1", "root"]),
])
def test_a_bad_configuration_says_where_and_what(tmp_path, line, told):
    config = tmp_path / "bad.toml"
    config.write_text(line + "\n")
    for words in (["check", "--config", config], ["--config", config]):
        result = run(*words)
        assert result.returncode != 0
        for word in [str(config), *told]:
            assert word in result.stderr, result.stderr
    config.write_text("[limits]\nchunk = 16384\n")
    assert run("check", "--config", config).returncode == 0


async def test_it_listens_on_every_address(tmp_path):
    listen = ["127.0.0.1:0", f"unix:{tmp_path}/ampd.sock"]
    if socket.has_ipv6 and "::1" in open("/proc/net/if_inet6").read().replace(
            "0" * 31 + "1", "::1"):
        listen.append("[::1]:0")
    daemon = Daemon(tmp_path / "root", listen=listen)
    daemon.start()
    try:
        assert len(daemon.addresses) == len(listen)
        assert daemon.addresses[1] == listen[1]
        for address in daemon.addresses:
            daemon.address = address
            peer = await daemon.connect()
            await works(peer)
            await peer.close()
    finally:
        daemon.stop()


async def test_an_address_in_use_is_told(tmp_path, daemon):
    (tmp_path / "other").mkdir()
    result = run("--config", daemon.config, "--root", tmp_path / "other",
                 "--listen", daemon.address)
    assert result.returncode != 0
    assert daemon.address in result.stderr, result.stderr


@pytest.mark.xfail(strict=True, reason="a starting ampd takes running uploads for leftovers")
async def test_an_upgrade_overlaps(daemon):
    """While a new daemon already serves the store, the old one's uploads run on."""
    peer = await daemon.connect()
    sources = [Pattern(9_000_000, seed=number) for number in range(2)]
    uploads = [Upload(source, gate=6_000_000) for source in sources]
    calls = [peer.start("Put", upload=uploads[0], filename="old 0"),
             peer.start("Put", upload=uploads[1], filename="old 1", token=bytes(32), offset=0)]
    await peer.wait_for(lambda: all(upload.sent == 6_000_000 for upload in uploads))
    successor = Daemon(daemon.root)
    successor.start()
    try:
        other = await successor.connect()
        await works(other)
        for upload in uploads:
            upload.gate = 2**63
        peer.pump()
        await calls[0]
        await calls[1]
        for number, source in enumerate(sources):
            assert await digest_get(other, f"old {number}") == source.digest("xxh3")
        await peer.close()
        await other.close()
        await daemon.leaves_no_upload()
    finally:
        successor.stop()


async def test_sigterm_leaves_at_once_when_idle(daemon):
    peer = await daemon.connect()
    daemon.stop()
    await peer.wait_lost()
    assert daemon.process.returncode == 0
