"""ampd under a service manager: sockets handed over, its state told, the journal, the units.

No booted systemd is needed: `systemd-socket-activate` hands the sockets over, and the test itself
is the manager behind NOTIFY_SOCKET and the journal behind /run/systemd/journal/socket.
"""

import asyncio
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from amppeer import Peer, Upload
from calls import put, works
from sources import Pattern
from test_program import make_install

MIB = 1 << 20


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is missing")


@pytest.fixture
def folder():
    """A path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="ampd-") as path:
        yield Path(path)


# Sockets handed over


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def knock(address):
    """The first connection, on which the daemon is started; it waits until that serves."""
    while True:
        try:
            return await Peer.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            await asyncio.sleep(0.02)


@needs("systemd-socket-activate")
async def test_sockets_handed_over(unstarted, folder):
    """They take the place of the configured addresses, and their files stay the manager's."""
    path, port = folder / "ampd.sock", free_port()
    unstarted.prefix = (
        "systemd-socket-activate", "-l", f"127.0.0.1:{port}", "-l", path, "--fdname=amp:amp")
    unstarted.spawn()
    peer = await knock(f"127.0.0.1:{port}")
    unstarted.listen = ("first", "second")
    unstarted.addresses = unstarted.read_addresses()
    assert unstarted.addresses == [f"127.0.0.1:{port}", f"unix:{path}"]
    await works(peer)
    other = await Peer.connect(f"unix:{path}")
    await works(other)
    await other.close()
    await peer.close()
    unstarted.stop()
    assert stat.S_ISSOCK(path.lstat().st_mode), "it removed a file that is not its own"


@needs("systemd-socket-activate")
def test_a_datagram_socket_is_refused(unstarted):
    unstarted.prefix = ("systemd-socket-activate", "--datagram", "-l", f"127.0.0.1:{free_port()}",
                      "--fdname=tftp")
    unstarted.spawn()
    port = int(unstarted.prefix[3].rpartition(":")[2])
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.settimeout(0.05)
        while unstarted.process.poll() is None:
            try:
                sender.connect(("127.0.0.1", port))
                sender.send(b"knock")
                sender.recv(1)
            except OSError:
                continue
    assert unstarted.process.returncode == 1
    assert "\"tftp\", is no listening stream socket" in unstarted.log.read_text()
    unstarted.process.stdout.close()
    unstarted.process = None


# State told


class Manager:
    """The datagram socket that NOTIFY_SOCKET names."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    async def next(self):
        data = await asyncio.get_running_loop().sock_recv(self.socket, 65_536)
        return dict(line.split("=", 1) for line in data.decode().splitlines())

    async def until(self, key):
        """The next message with this key; all that came before it."""
        before = []
        while key not in (message := await self.next()):
            before.append(message)
        return message, before

    def is_silent(self):
        try:
            self.socket.recv(65_536, socket.MSG_PEEK)
            return False
        except BlockingIOError:
            return True


@pytest.fixture
def manager(folder):
    manager = Manager(folder / "notify")
    yield manager
    manager.socket.close()


async def test_ready_once_it_serves_and_stopping_once_it_drains(unstarted, manager):
    unstarted.environment = {"NOTIFY_SOCKET": str(manager.path)}
    unstarted.spawn()
    ready = await manager.next()
    assert ready["READY"] == "1"
    address = ready["STATUS"].removeprefix("listening on ")
    # Whoever starts after us may count on it: the first attempt is served.
    peer = await Peer.connect(address)
    await works(peer)
    assert unstarted.read_addresses() == [address]

    upload = Upload(Pattern(2 * MIB), gate=MIB)
    call = peer.start("Put", upload=upload, filename="last")
    await peer.wait_for(lambda: upload.sent == MIB)
    assert manager.is_silent(), "nothing watches it, and its state has not changed"
    unstarted.process.terminate()
    stopping = await manager.next()
    assert stopping["STOPPING"] == "1" and stopping["STATUS"]
    assert unstarted.process.poll() is None
    upload.gate = 2**63
    peer.pump()
    await call
    await peer.wait_lost()
    await peer.close()


async def test_a_daemon_that_cannot_serve_is_never_ready(unstarted, manager):
    unstarted.environment = {"NOTIFY_SOCKET": str(manager.path)}
    unstarted.root.rmdir()
    unstarted.spawn()
    assert await asyncio.to_thread(unstarted.process.wait, 60) == 1
    assert manager.is_silent()
    unstarted.process.stdout.close()
    unstarted.process = None


async def test_the_watchdog_is_fed_until_the_end(unstarted, manager):
    """Twice in its time, from the start on and while the daemon drains."""
    unstarted.environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"}
    unstarted.settings = ("limits.drain_timeout=3600",)
    unstarted.spawn()
    await manager.until("READY")
    [address] = unstarted.read_addresses()
    for _ in range(4):
        message, before = await manager.until("WATCHDOG")
        assert message["WATCHDOG"] == "1" and not before

    peer = await Peer.connect(address)
    upload = Upload(Pattern(2 * MIB), gate=MIB)
    call = peer.start("Put", upload=upload, filename="last")
    await peer.wait_for(lambda: upload.sent == MIB)
    unstarted.process.terminate()
    await manager.until("STOPPING")
    for _ in range(4):
        await manager.until("WATCHDOG")
    upload.gate = 2**63
    peer.pump()
    await call
    await peer.wait_lost()
    await peer.close()


async def test_another_process_may_be_watched(unstarted, manager):
    unstarted.environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "20000",
                           "WATCHDOG_PID": "1"}
    unstarted.spawn()
    await manager.until("READY")
    await asyncio.sleep(0.2)
    assert manager.is_silent()
    unstarted.read_addresses()


# The journal


class Journal:
    """journald's socket, seen at its place by a daemon in a mount namespace of its own."""

    def __init__(self, folder):
        self.folder = folder
        place = folder / "systemd" / "journal"
        place.mkdir(parents=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(place / "socket"))
        self.socket.settimeout(30)

    def prefix(self):
        script = 'mount --bind "$0" /run && exec "$@"'
        return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, self.folder)

    def entries(self):
        """Until the daemon says that it stopped."""
        while True:
            data = self.socket.recv(1 << 16)
            assert data.endswith(b"\n")
            entry = dict(line.split("=", 1) for line in data.decode().splitlines())
            yield entry
            if entry["AMP_EVENT"] == "stopped":
                return


def can_unshare():
    return os.geteuid() == 0 and shutil.which("unshare") and subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="only root has mount namespaces of its own")
async def test_the_journal_gets_fields(unstarted, folder):
    journal = Journal(folder)
    unstarted.prefix = journal.prefix()
    unstarted.log.touch()
    status = unstarted.log.stat()
    unstarted.environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    unstarted.start()
    peer = await unstarted.connect()
    name = peer.transport.get_extra_info("sockname")
    peer.command("evil\nPRIORITY=0\x1b")
    await works(peer)
    await peer.close()
    unstarted.stop()
    entries = list(journal.entries())
    journal.socket.close()
    assert unstarted.log.read_text() == "", "told twice"
    for entry in entries:
        assert entry["SYSLOG_IDENTIFIER"] == "ampd"
        assert re.fullmatch("[0-9a-f]{32}", entry["MESSAGE_ID"])
        assert "CODE_FILE" not in entry
    assert entries[0]["AMP_EVENT"] == "ready" and entries[0]["PRIORITY"] == "5"
    evil, = [entry for entry in entries if entry["AMP_EVENT"] == "unknownCommand"]
    assert evil["PRIORITY"] == "4"
    assert evil["MESSAGE"].endswith(r"evil\u{a}PRIORITY=0\u{1b}")
    assert evil["AMP_PEER"] == f"{name[0]}:{name[1]}"


async def test_a_stream_that_is_not_the_journals_gets_lines(unstarted):
    """A child of a service inherits the variable, but its standard error may lead elsewhere."""
    unstarted.environment = {"JOURNAL_STREAM": "1:1"}
    unstarted.start()
    unstarted.stop()
    assert unstarted.log.read_text().startswith("ampd: ready, ")


# The units


@needs("systemd-analyze")
def test_the_units_are_verified(tmp_path):
    """As make install puts them, with the program where they say."""
    make_install("install", f"PREFIX={tmp_path}/usr", f"SYSCONFDIR={tmp_path}/etc")
    units = [tmp_path / "usr/lib/systemd/system" / name for name in ("ampd.service", "ampd.socket")]
    command = ["systemd-analyze", "verify", "--man=no", *units]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "")
    # And an error would be seen.
    text = units[0].read_text()
    for right, wrong in (("ProtectClock=", "ProtectClok="), ("Type=notify", "Type=notice"),
                         ("/bin/ampd", "/bin/absent")):
        assert right in text
        units[0].write_text(text.replace(right, wrong))
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode != 0 or result.stderr, f"{wrong} goes unnoticed"


def test_the_service_survives_what_it_may_meet():
    """A wrong configuration is not tried again, and draining fits in the time to stop."""
    unit = (Path(__file__).parents[2] / "systemd/ampd.service").read_text()
    assert "\nRestartPreventExitStatus=2\n" in unit
    shipped = (Path(__file__).parents[2] / "etc/ampd/ampd.toml").read_text()
    drain = int(re.search(r"^# drain_timeout = (\d+)$", shipped, re.M)[1])
    stop = int(re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.M)[1])
    assert stop > drain + 5, "and 5 s for the last jobs"
