"""ampd as a process: started on a free loopback port, stopped by its own process id."""

import asyncio
import os
import select
import subprocess
import time
from pathlib import Path

from amppeer import Peer

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds; against hanging only


def executable():
    """The program to test: AMPD, else the release build, else the debug build."""
    if "AMPD" in os.environ:
        return Path(os.environ["AMPD"])
    builds = [REPOSITORY / ".build" / kind / "ampd" for kind in ("release", "debug")]
    for build in builds:
        if build.exists():
            return build
    raise FileNotFoundError("no ampd: build it, or name it in AMPD")


class Daemon:
    # Words before the program's, such as prlimit's, and variables of its environment.
    prefix, environment = (), {}

    def __init__(self, root, *settings, listen=("127.0.0.1:0",)):
        self.root, self.settings, self.listen = Path(root), settings, listen
        self.root.mkdir(parents=True, exist_ok=True)
        self.process = self.address = None
        self.addresses = []
        self.config = self.root.parent / f"{self.root.name}.toml"
        self.config.touch()
        self.log = self.root.parent / f"{self.root.name}.log"

    def start(self):
        self.spawn()
        self.addresses = self.read_addresses()
        self.address = self.addresses[0]

    def spawn(self):
        command = [*self.prefix, executable(), "--config", self.config, "--root", self.root]
        for address in self.listen:
            command += ["--listen", address]
        # A test that failed may leave streams open; it need not wait for them as well.
        for setting in ("limits.drain_timeout=5", *self.settings):
            command += ["--set", setting]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment})

    def read_addresses(self):
        output, deadline = b"", time.monotonic() + PATIENCE
        while output.count(b"\n") < len(self.listen):
            left = deadline - time.monotonic()
            readable, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            piece = os.read(self.process.stdout.fileno(), 4096) if readable else b""
            if not piece:
                raise AssertionError(f"ampd did not start: {output!r} {self.log.read_text()}")
            output += piece
        lines = output.decode().splitlines()
        assert all(line.startswith("listening on ") for line in lines), lines
        return [line.removeprefix("listening on ") for line in lines]

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        """As a crash: SIGKILL, nothing is said to anyone."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """As a service manager does; the daemon must leave by itself, and without a trap."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("ampd did not leave on SIGTERM") from None
        if not self.process.stdout.closed:
            self.process.stdout.close()
            assert self.process.returncode == 0, self.log.read_text()

    def connect(self, **options):
        return Peer.connect(self.address, **options)

    # What a leak would show in

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident(self):
        """Bytes of resident memory."""
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def unfinished(self):
        """The temporary files of uploads."""
        folder = self.root / ".ampd" / "uploads"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    async def settles(self, condition, what):
        """What the daemon does in its own time, such as closing a descriptor in a worker."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"ampd died: {self.log.read_text()}"
            assert time.monotonic() < deadline, what()
            await asyncio.sleep(0.02)

    async def settles_to(self, descriptors):
        await self.settles(
            lambda: self.descriptors() <= descriptors,
            lambda: f"{self.descriptors()} descriptors, {descriptors} before")

    async def leaves_no_upload(self):
        await self.settles(
            lambda: not self.unfinished(), lambda: f"left behind: {self.unfinished()}")
