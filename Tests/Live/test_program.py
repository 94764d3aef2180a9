"""The program: its words, its configuration, its addresses, its way to start and to leave."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from amppeer import Peer, RemoteError, Upload
from calls import digest_get, open_get, put, refused, works
from daemon import REPOSITORY, Daemon, executable
from sources import Pattern
from test_durability import Rest

MIB = 1 << 20
TOKEN = bytes(range(100, 132))


def run(*words, **options):
    return subprocess.run(
        [executable(), *words], capture_output=True, text=True, timeout=30, **options)


# Words


def test_words():
    assert run("--version").stdout.startswith("ampd ")
    result = run("--help")
    assert result.returncode == 0 and not result.stderr
    for word in ("check", "limits", "--config", "--listen", "--root", "--set", "Exit status"):
        assert word in result.stdout


@pytest.mark.parametrize("words, told", [
    (["--no-such"], "unknown option \"--no-such\""),
    (["no-such"], "unknown command \"no-such\""),
    (["check", "ampd.toml"], "unexpected \"ampd.toml\""),
    (["--listen"], "--listen needs a value"),
    (["--root="], "--root needs a value"),
    (["--set", "limits.chunk"], "not KEY=VALUE"),
    (["a\x1b[2J\nb"], "unknown command \"a\\u{1b}[2J\\u{a}b\""),
])
def test_a_command_line_that_is_not_understood(words, told):
    result = run(*words)
    assert result.returncode == 2
    assert not result.stdout
    assert told in result.stderr and "see ampd --help" in result.stderr
    assert result.stderr.count("\n") == 1


# Configuration


BAD = """\
lisen = ["127.0.0.1:0"]
root = 5
[limits]
chunk = 70000

max_streams = "some"
memory_budget = "1 GiB"
"""
BAD_LINES = [
    (1, "unknown key \"lisen\"", "\"listen\""),
    (2, "root: 5 cannot be taken", "a path in quotes"),
    (4, "limits.chunk: 70000 is out of range", "1024 to 65534 bytes"),
    (6, "limits.max_streams: \"some\" cannot be taken", "1 to 65536 streams"),
    (7, "unknown key \"limits.memory_budget\"", "see ampd limits"),
]


@pytest.mark.parametrize("command", [["check"], ["limits"], []])
def test_a_bad_configuration_says_all_that_is_wrong(tmp_path, command):
    """To serve with it exits with 2 as well, so that systemd does not try it again."""
    config = tmp_path / "bad.toml"
    config.write_text(BAD)
    result = run(*command, "--config", config, "--set", "limits.outbox=1")
    assert result.returncode == 2
    assert not result.stdout
    lines = result.stderr.splitlines()
    assert len(lines) == len(BAD_LINES) + 1, result.stderr
    for line, (number, problem, allowed) in zip(lines, BAD_LINES):
        assert line.startswith(f"ampd: {config}:{number}: {problem}"), line
        assert allowed in line
    assert lines[-1] == (
        "ampd: --set limits.outbox=1: 1 is out of range; allowed: 131072 bytes to 1 GiB")


def test_a_syntax_error_has_line_and_column(tmp_path):
    config = tmp_path / "bad.toml"
    config.write_text("root = \"/srv\"\nlisten = [,]\n")
    result = run("check", "--config", config)
    assert result.returncode == 2
    assert result.stderr.startswith(f"ampd: {config}:2: column 11: "), result.stderr


def test_a_good_configuration(tmp_path):
    config = tmp_path / "good.toml"
    config.write_text("listen = [\"[::1]:0\"]\n[limits]\nchunk = 16384\nbox_seconds = \"2 min\"\n")
    result = run("check", "--config", config)
    assert (result.returncode, result.stderr) == (0, "")
    table = run("limits", "--config", config, "--set", "limits.max_streams=77")
    values = {line.split()[0]: " ".join(line.split()[1:3]) for line in table.stdout.splitlines()}
    assert values["limits.chunk"] == "16384 bytes"
    assert values["limits.box_seconds"] == "120 seconds"
    assert values["limits.max_streams"] == "77 streams"
    assert values["limits.stream_window"] == "262144 bytes"
    assert run("check", "--config", REPOSITORY / "etc/ampd/ampd.toml").returncode == 0


def test_a_configuration_that_is_named_has_to_be_there(tmp_path):
    for path, problem in ((tmp_path / "absent.toml", "no such file or directory"),
                          (tmp_path, "not a regular file"), ("/dev/zero", "not a regular file")):
        result = run("--config", path, "--listen", "127.0.0.1:0", "--root", tmp_path)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == f"ampd: {path}: {problem}\n"


async def test_settings_are_what_hello_announces(make_daemon):
    """The daemon's own and, beside them, those of an administrator."""
    peer = await make_daemon().connect()
    assert peer.theirs == {
        "version": 1, "chunk": 61_440, "window": 262_144, "max-streams": 128,
        "connection-window": 128 * 262_144 + 2 * 2_097_152, "max-asks": 1_024}
    await peer.close()


async def test_settings_of_an_administrator(make_daemon):
    daemon = make_daemon(
        "limits.chunk=2048", "limits.stream_window=300000", "limits.max_streams=200",
        "limits.shared_window=5000", "limits.max_asks=33", "file_mode=0604",
        "directory_mode=0705")
    peer = await daemon.connect()
    assert peer.theirs == {
        "version": 1, "chunk": 2_048, "window": 300_000, "max-streams": 200,
        "connection-window": 200 * 300_000 + 2 * 5_000, "max-asks": 33}
    mask = os.umask(0)
    os.umask(mask)
    await put(peer, "made/file", Pattern(70_000))
    assert stat.S_IMODE((daemon.root / "made/file").stat().st_mode) == 0o604 & ~mask
    assert stat.S_IMODE((daemon.root / "made").stat().st_mode) == 0o705 & ~mask
    await works(peer)
    await peer.close()


async def test_the_bounds_of_a_box_can_be_set(make_daemon):
    daemon = make_daemon("limits.box_pairs=16", "limits.box_bytes=70000")
    peer = await daemon.connect()
    padding = [(f"key{number}", b"") for number in range(14)]
    for extra in (padding, [("key", bytes(65_000))]):
        peer.send(("_command", "padded"), ("_ask", b"fine"), *extra)
        peer.asks[b"fine"] = (answer := asyncio.get_running_loop().create_future(), (), {}, ())
        async with refused("UNHANDLED"):
            await answer
    await works(peer)
    await peer.close()
    for extra in ([*padding, ("key", b"")], [("key", bytes(65_000)), ("more", bytes(5_000))]):
        peer = await daemon.connect()
        peer.send(("_command", "padded"), ("_ask", b"fine"), *extra)
        await peer.wait_lost()
        assert peer.goaway[0] == "LIMIT"
        await peer.close()


async def test_the_threads_of_each_lane_can_be_set(make_daemon):
    lanes = ("metadata", "writes", "scans")
    daemon = make_daemon(*(f"workers.{lane}=1" for lane in lanes))
    peer = await daemon.connect()
    source = Pattern(300_000)
    await asyncio.gather(*(put(peer, f"file {number}", source) for number in range(20)))
    await asyncio.gather(*(peer.call("Stat", filename=f"file {number}", digest="sha256")
                           for number in range(20)))
    assert len(os.listdir(f"/proc/{daemon.pid}/task")) == 1 + len(lanes)
    await peer.close()


async def test_max_connections_wait_in_the_kernel(make_daemon):
    daemon = make_daemon("limits.max_connections=2")
    peers = [await daemon.connect() for _ in range(2)]
    third = await daemon.connect(hello=False)
    hello = asyncio.ensure_future(third.hello())
    for _ in range(3):
        await works(peers[0])
    assert not hello.done()
    await peers[1].close()
    await hello
    await works(third)
    for peer in (peers[0], third):
        await peer.close()


# The root


def serve(root, *words, prefix=()):
    with tempfile.NamedTemporaryFile(suffix=".toml") as config:
        os.chmod(config.name, 0o644)
        return subprocess.run(
            [*prefix, executable(), "--config", config.name, "--listen", "127.0.0.1:0",
             "--root", root, *words], capture_output=True, text=True, timeout=30)


def cannot_serve(result, root, problem):
    assert result.returncode == 1
    assert result.stdout == "", "it said that it listens"
    assert f"cannot serve {root}: " in result.stderr and problem in result.stderr, result.stderr


def test_a_root_that_is_not_a_directory(tmp_path):
    absent, file = tmp_path / "absent", tmp_path / "file"
    file.write_text("kept")
    cannot_serve(serve(absent), absent, "no such file or directory")
    assert not absent.exists()
    cannot_serve(serve(file), file, "not a directory")
    assert file.read_text() == "kept"


@pytest.fixture
def open_folder():
    """A folder that every user can reach."""
    path = Path(tempfile.mkdtemp(prefix="ampd-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_a_root_that_may_not_be_used(open_folder):
    closed, unwritable = open_folder / "closed", open_folder / "unwritable"
    closed.mkdir(mode=0o700)
    unwritable.mkdir(mode=0o755)
    unwritable.chmod(0o755)
    prefix = []
    if os.geteuid() == 0:
        program = open_folder / "ampd"
        shutil.copy(executable(), program)
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    else:
        closed.chmod(0)
        unwritable.chmod(0o555)
    for root in (closed, unwritable):
        cannot_serve(serve(root, prefix=prefix), root, "permission denied")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_root_on_a_read_only_file_system(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "ampd", tmp_path], check=True)
    try:
        cannot_serve(serve(tmp_path), tmp_path, "read-only file system")
    finally:
        subprocess.run(["umount", tmp_path], check=True)


# Addresses


def has_v6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


async def test_it_listens_on_every_address(tmp_path, unstarted):
    listen = ["127.0.0.1:0", f"unix:{tmp_path}/ampd.sock"] + ["[::1]:0"] * has_v6()
    unstarted.listen = listen
    unstarted.start()
    assert len(unstarted.addresses) == len(listen)
    assert unstarted.addresses[1] == listen[1]
    for asked, address in zip(listen, unstarted.addresses):
        assert address.startswith(asked.removesuffix(":0")) and not address.endswith(":0")
        peer = await Peer.connect(address)
        await works(peer)
        await peer.close()


async def test_it_listens_on_a_hosts_name(unstarted):
    unstarted.listen = ["localhost:0"]
    unstarted.start()
    assert unstarted.address.startswith(("127.", "[::1]:"))
    peer = await unstarted.connect()
    await works(peer)
    await peer.close()


def test_an_address_that_cannot_be_had(tmp_path, daemon):
    (tmp_path / "other").mkdir()
    for address, problem in (
            (daemon.address, "something else listens there"),
            ("192.0.2.1:0", "address not available"),  # RFC 5737: nobody's own
            ("unix:/proc/ampd.sock", ""), (f"unix:{tmp_path}/absent/s", "no such file"),
            ("host.invalid:0", "cannot resolve host.invalid")):  # RFC 6761
        # One that could be had is not held on to either.
        result = serve(tmp_path / "other", "--listen", address)
        assert (result.returncode, result.stdout) == (1, ""), address
        assert address.removesuffix(":0") in result.stderr and problem in result.stderr


def is_socket(path):
    return stat.S_ISSOCK(os.lstat(path).st_mode)


async def test_a_unix_sockets_file(tmp_path, open_folder, unstarted):
    """Made at the start, removed at the end; taken over from the dead, never from the living."""
    path = open_folder / "ampd.sock"
    daemon = unstarted
    daemon.listen = [f"unix:{path}"]
    daemon.start()
    assert is_socket(path)
    inode = path.stat().st_ino
    result = serve(tmp_path, "--listen", f"unix:{path}")
    assert result.returncode == 1 and "something else listens there" in result.stderr
    assert path.stat().st_ino == inode
    peer = await daemon.connect()
    await works(peer)
    await peer.close()

    daemon.kill()
    assert is_socket(path), "a killed daemon leaves its file"
    daemon.start()
    peer = await daemon.connect()
    await works(peer)
    await peer.close()
    daemon.stop()
    assert not path.exists()

    path.write_text("no socket")
    result = serve(tmp_path, "--listen", f"unix:{path}")
    assert result.returncode == 1 and "no socket" in result.stderr
    assert path.read_text() == "no socket"


# The end


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


async def leaves(daemon):
    """By itself and with 0; how long that took."""
    began = time.monotonic()
    status = await asyncio.to_thread(daemon.process.wait, 60)
    assert status == 0, daemon.log.read_text()
    return time.monotonic() - began


async def refuses_connections(daemon):
    """At the latest once the signal has been dealt with."""
    while True:
        try:
            peer = await daemon.connect(hello=False)
            peer.transport.abort()
            await asyncio.sleep(0.02)
        except ConnectionError:
            return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_daemon_leaves_at_once(make_daemon, number):
    daemon = make_daemon("limits.drain_timeout=3600")
    peer = await daemon.connect()
    daemon.process.send_signal(number)
    await leaves(daemon)
    await peer.wait_lost()
    assert peer.goaway[0] == "GOAWAY"
    await peer.close()


async def test_sigterm_drains(make_daemon):
    daemon = make_daemon("limits.drain_timeout=3600")
    peer = await daemon.connect()
    source = Pattern(5 * MIB, seed=3)
    await put(peer, "down", source)
    upload = Upload(source, gate=MIB)
    call = peer.start("Put", upload=upload, filename="up", digest="sha256")
    download, _ = await open_get(
        peer, "down", {"automatic": False, "digest": "sha256"}, digest="sha256")
    await peer.wait_for(lambda: upload.sent == MIB and download.received > 0)

    daemon.process.terminate()
    await peer.wait_for(lambda: peer.goaway is not None)
    await refuses_connections(daemon)
    async with refused("GOAWAY"):
        await peer.call("Ping")
    assert daemon.process.poll() is None

    upload.gate = 2**63
    peer.pump()
    assert (await call)["digest"].decode() == source.digest("sha256")
    assert daemon.process.poll() is None, "the download was still open"
    download.automatic = True
    download.consume(download.received - download.consumed)
    assert await download.finished == len(source)
    assert download.end_digest == download.digest.name() == source.digest("sha256")
    await leaves(daemon)
    await peer.close()

    daemon.start()
    peer = await daemon.connect()
    assert await digest_get(peer, "up", "sha256") == source.digest("sha256")
    await peer.close()


async def interrupted_by(daemon, end):
    """An upload with a token and one without that `end` cuts short; the first resumes."""
    peer = await daemon.connect()
    source = Pattern(9 * MIB, seed=7)
    uploads = [Upload(source, gate=3 * MIB + 17) for _ in range(2)]
    calls = [peer.start("Put", upload=uploads[0], filename="kept", token=TOKEN, offset=0),
             peer.start("Put", upload=uploads[1], filename="lost")]
    for upload in uploads:
        await peer.wait_for(lambda upload=upload: upload.sent == upload.gate)
    # Received is not read yet; the answer to a later call says that it is.
    await peer.call("Ping")
    daemon.process.terminate()
    await peer.wait_for(lambda: peer.goaway is not None)
    await end(peer)
    await leaves(daemon)
    for call in calls:
        with pytest.raises((ConnectionError, RemoteError)):
            await call

    daemon.start()
    peer = await daemon.connect()
    offset = int((await peer.call("UploadStatus", token=TOKEN))["offset"])
    assert offset == 3 * MIB + 17, "what had come was given up"
    rest = Upload(Rest(source, offset))
    await peer.call("Put", upload=rest, filename="kept", token=TOKEN, offset=offset)
    assert await digest_get(peer, "kept") == source.digest("xxh3")
    async with refused("NOT_FOUND"):
        await peer.call("Stat", filename="lost")
    await peer.close()
    await daemon.leaves_no_upload()


async def test_the_drain_timeout_cuts_short(make_daemon):
    daemon = make_daemon("limits.drain_timeout=1")

    async def wait(peer):
        await peer.wait_lost()

    await interrupted_by(daemon, wait)


async def test_a_second_sigterm_leaves_at_once(make_daemon):
    daemon = make_daemon("limits.drain_timeout=3600")

    async def again(peer):
        daemon.process.terminate()
        await peer.wait_lost()

    await interrupted_by(daemon, again)


# Logs


async def test_the_log_is_readable_lines(daemon):
    peer = await daemon.connect()
    await works(peer)
    await peer.close()
    daemon.stop()
    lines = daemon.log.read_text().splitlines()
    assert all(line.startswith("ampd: ") for line in lines), lines
    assert lines[0] == f"ampd: ready, listening on {daemon.address}"
    assert any(line.startswith("ampd: connected  peer=127.0.0.1:") for line in lines)
    assert lines[-1].startswith("ampd: stopped after ")


async def test_text_of_peers_is_escaped(daemon):
    peer = await daemon.connect()
    peer.command("evil\nampd: error: \x1b[2J\u202e\\")
    await works(peer)
    await peer.close()
    daemon.stop()
    text = daemon.log.read_text()
    assert "\x1b" not in text and "\u202e" not in text
    line, = [line for line in text.splitlines() if "evil" in line]
    assert line.startswith("ampd: warning: ignored an unknown command without an answer: ")
    assert r"evil\u{a}ampd: error: \u{1b}[2J\u{202e}\\" in line
    assert "peer=127.0.0.1:" in line


async def test_a_noisy_peer_does_not_fill_the_log(daemon):
    """Some of a kind are told, the others are counted, and none is lost count of."""
    peer = await daemon.connect()
    for number in range(2_000):
        peer.command(f"noise{number}")
    await works(peer)
    await peer.close()
    daemon.stop()
    lines = daemon.log.read_text().splitlines()
    noise = [line for line in lines if "noise" in line]
    assert 1 <= len(noise) <= 100
    told = [line.rpartition("suppressed=")[2].split()[0] for line in lines
            if "suppressed=" in line
            and ("noise" in line or "more of the same: unknownCommand" in line)]
    assert len(noise) + sum(map(int, told)) == 2_000
    assert any("ready" in line for line in lines) and "stopped" in lines[-1]


# Descriptors


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
async def test_more_connections_than_descriptors(unstarted):
    daemon = unstarted
    daemon.prefix = ("prlimit", "--nofile=64:64")
    daemon.start()
    first = await daemon.connect()
    await works(first)
    host, _, port = daemon.address.rpartition(":")
    idle = daemon.descriptors()
    crowd = [socket.create_connection((host, int(port))) for _ in range(200)]
    try:
        await daemon.settles(lambda: daemon.descriptors() >= 63, daemon.descriptors)
        before = processor_seconds(daemon.pid)
        for _ in range(10):
            await first.call("Ping")
            await asyncio.sleep(0.2)
        assert processor_seconds(daemon.pid) - before < 1, "it spins"
    finally:
        for member in crowd:
            member.close()
    await daemon.settles_to(idle)
    await works(first)
    second = await daemon.connect()
    await works(second)
    for peer in (first, second):
        await peer.close()
    daemon.stop()
    complaints = daemon.log.read_text().count("cannot accept connections: ")
    assert 1 <= complaints <= 25


# Installation


def make_install(*words):
    client = Path(os.environ.get("AMP", executable().with_name("amp"))).absolute()
    if not client.exists():
        pytest.skip("amp is not built")
    with tempfile.TemporaryDirectory() as folder:
        for name, program in (("ampd", executable()), ("amp", client)):
            os.symlink(Path(program).absolute(), Path(folder) / name)
        return subprocess.run(
            ["make", "-s", "-C", REPOSITORY, *words, f"BIN={folder}"],
            capture_output=True, text=True, check=True, env=make_environment())


def make_environment():
    """Without what a make around the tests would hand on."""
    ours = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PREFIX", "DESTDIR", "SYSCONFDIR", "UNITDIR"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def test_make_install(tmp_path):
    mask = os.umask(0o077)
    try:
        make_install("install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    finally:
        os.umask(mask)
    modes = {str(path.relative_to(tmp_path)): oct(stat.S_IMODE(path.stat().st_mode))
             for path in tmp_path.rglob("*") if path.is_file()}
    units = "usr/lib/systemd/system"
    assert modes == {
        "usr/bin/ampd": "0o755", "usr/bin/amp": "0o755", "etc/ampd/ampd.toml": "0o644",
        f"{units}/ampd.service": "0o644", f"{units}/ampd.socket": "0o644"}
    assert (tmp_path / units / "ampd.service").read_text() == (
        REPOSITORY / "systemd/ampd.service").read_text()
    version = subprocess.run([tmp_path / "usr/bin/ampd", "--version"], capture_output=True)
    assert version.stdout.startswith(b"ampd ")

    config = tmp_path / "etc/ampd/ampd.toml"
    config.write_text("# the administrator's own\n")
    make_install("install", f"DESTDIR={tmp_path}", "PREFIX=/opt/ampd")
    assert config.read_text() == "# the administrator's own\n"
    unit = (tmp_path / "opt/ampd/lib/systemd/system/ampd.service").read_text()
    assert "\nExecStart=/opt/ampd/bin/ampd\n" in unit
    make_install("uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    assert not any((tmp_path / "usr").rglob("ampd*"))
    assert config.exists()
