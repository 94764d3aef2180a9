"""An AMP peer with streams, written from the protocol's specification alone.

It shares nothing with ampd: the standard library, one asyncio protocol, and no leniency. Whatever
the other side does that the specification forbids is written down in `Peer.violations`, with what
was seen; a test closes its peers with `close()`, which raises if there are any. A `Peer` is
symmetric: give it `responders` and it serves.

    peer = await Peer.connect("127.0.0.1:2673")
    answer = await peer.call("Put", upload=Upload(Pattern(1 << 20)), filename="a")
    download = (await peer.call("Get", downloads=["download"], filename="a"))["download"]
    await download.finished
"""

import asyncio
import socket
import struct

from sources import Bytes, new_digest

RESERVED = ("_answer", "_error", "_command")
MAXIMUM = 2**63 - 1
DEFAULTS = {
    "version": 1,
    "chunk": 16_384,
    "window": 262_144,
    "connection-window": 1_048_576,
    "max-streams": 128,
    "max-asks": 1_024,
}
FEATURES = "ping goaway cancel priority xxh3"
CODES = "CANCELLED FLOW MISMATCH LIMIT REFUSED STORAGE TIMEOUT INTERNAL GOAWAY".split()


class RemoteError(Exception):
    """The other side answered a call with an error."""

    def __init__(self, code, description):
        super().__init__(f"{code}: {description}")
        self.code, self.description = code, description


class StreamReset(Exception):
    """The sender of a download gave it up."""

    def __init__(self, code, reason=""):
        super().__init__(f"{code} {reason}")
        self.code = code


class Violation(Exception):
    """The other side did what the specification forbids."""


# Boxes


def encode_value(value):
    if isinstance(value, bool):
        return b"True" if value else b"False"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, str):
        return value.encode()
    return value


def encode_box(pairs):
    """One box of (key, value) pairs, in their order."""
    parts = []
    for key, value in pairs:
        key, value = encode_value(key), encode_value(value)
        parts += [struct.pack(">H", len(key)), key, struct.pack(">H", len(value)), value]
    return b"".join(parts + [b"\0\0"])


class Parser:
    """Boxes out of bytes, as lists of (key, value) in wire order."""

    def __init__(self):
        self.buffer = bytearray()
        self.pairs = []

    def feed(self, data):
        self.buffer += data
        buffer, offset, boxes = self.buffer, 0, []
        while len(buffer) - offset >= 2:
            key_end = offset + 2 + (buffer[offset] << 8 | buffer[offset + 1])
            if key_end == offset + 2:
                boxes.append(self.pairs)
                self.pairs, offset = [], key_end
                continue
            if key_end - offset > 257:
                raise Violation(f"a key of {key_end - offset - 2} bytes")
            if len(buffer) < key_end + 2:
                break
            value_end = key_end + 2 + (buffer[key_end] << 8 | buffer[key_end + 1])
            if len(buffer) < value_end:
                break
            key = bytes(buffer[offset + 2 : key_end]).decode("ascii", "backslashreplace")
            self.pairs.append((key, bytes(buffer[key_end + 2 : value_end])))
            offset = value_end
        del buffer[:offset]
        return boxes


def integer(value):
    """An id, length or limit: plain digits, 0..2^63-1."""
    if not value.isdigit() or len(value) > 19 or int(value) > MAXIMUM:
        raise Violation(f"not a plain number: {value[:40]!r}")
    if value != b"%d" % int(value):
        raise Violation(f"not in plain digits: {value!r}")
    return int(value)


# Streams


class Upload:
    """A stream we send. `gate` holds it back at an absolute offset, whatever the credit."""

    def __init__(self, source, length=None, digest=None, priority=None, gate=MAXIMUM,
                 end_length=None, end_digest=None, ends=True):
        self.source = Bytes(source) if isinstance(source, (bytes, bytearray)) else source
        self.siblings = {"length": length, "digest": digest, "priority": priority}
        self.gate, self.ends = gate, ends
        self.end_length, self.end_digest = end_length, end_digest
        self.id = self.limit = self.stopped = None
        self.sent = 0
        self.closed = False
        self.credits = []  # (bytes of this stream sent when it came, the new limit)

    def ready(self):
        return max(0, min(self.limit, self.gate, len(self.source)) - self.sent)


class Download:
    """A stream we receive. An automatic one consumes what comes; else call `consume`."""

    def __init__(self, peer, number, automatic=True, keep=False, digest=None):
        self.peer, self.id = peer, number
        self.automatic, self.keep = automatic, keep
        self.received = self.consumed = 0
        self.limit = self.window = peer.settings["window"]
        self.content = bytearray()
        self.digest = new_digest(digest) if digest else None
        self.over = self.stopping = False
        self.end_digest = None
        self.finished = asyncio.get_running_loop().create_future()

    def consume(self, count):
        """The application took `count` bytes; credit follows at once, as far as a window."""
        self.consumed += count
        self.peer.consumed(count)
        if self.consumed + self.window - self.limit >= max(1, self.window // 4):
            self.grant(self.consumed + self.window)

    def grant(self, limit):
        self.limit = max(limit, self.limit)
        if not self.over:
            self.peer.command("stream-credit", id=self.id, limit=limit)

    def stop(self, code="CANCELLED"):
        self.stopping = True
        self.discard()
        self.peer.command("stream-stop", id=self.id, code=code)

    def discard(self):
        """What was not consumed never will be: it counts for the connection at once."""
        self.peer.consumed(self.received - self.consumed)
        self.consumed = self.received


# The peer


class Peer(asyncio.Protocol):
    def __init__(self, responders=None, **settings):
        self.settings = dict(DEFAULTS, chunk=61_440)
        self.settings.update({key.replace("_", "-"): value for key, value in settings.items()})
        self.theirs = dict(DEFAULTS)
        self.responders = responders or {}
        self.violations = []
        self.parser = Parser()
        self.transport = None
        self.writable = True
        self.asks = {}  # tag -> (future, downloads, options, uploads)
        self.next_tag = 1
        self.uploads, self.downloads = {}, {}
        self.next_upload = self.highest_download = 0
        self.sent = 0
        self.send_limit = None
        self.received = self.taken = 0
        self.receive_limit = self.settings["connection-window"]
        self.connection_credits = []
        self.trace = None  # a list, to record (id, bytes) of all data received
        self.boxes = []  # commands the other side sent that are not data, for tests to look at
        self.goaway = None
        self.lost = asyncio.get_running_loop().create_future()
        self.waiters = []
        self.tasks = set()

    @classmethod
    async def connect(cls, address, hello=True, **settings):
        loop = asyncio.get_running_loop()
        make = lambda: cls(**settings)
        if address.startswith("unix:"):
            _, peer = await loop.create_unix_connection(make, address[5:])
        else:
            host, _, port = address.rpartition(":")
            _, peer = await loop.create_connection(make, host.strip("[]"), int(port))
            peer.transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hello:
            await peer.hello()
        return peer

    async def hello(self):
        self.accept_settings(await self.call("stream-hello", **self.own_settings()))

    def own_settings(self):
        return {**self.settings, "features": FEATURES}

    def accept_settings(self, values):
        """The other side's settings, from its hello or from its answer to ours."""
        for key in DEFAULTS:
            if key in values:
                self.theirs[key] = integer(values[key])
        for key in ("window", "connection-window"):
            self.check(self.theirs[key] >= 1, f"{key} {self.theirs[key]}")
        self.check(1_024 <= self.theirs["chunk"] <= 65_534, f"chunk {self.theirs['chunk']}")
        self.features = values.get("features", b"").decode().split()
        self.send_limit = self.theirs["connection-window"]

    async def close(self):
        """Closes, and raises if the other side ever broke the rules."""
        self.transport.close()
        await self.wait_lost()
        if self.violations:
            raise Violation("; ".join(self.violations))

    async def wait_lost(self):
        await asyncio.shield(self.lost)

    async def wait_for(self, condition):
        """Until the condition holds; looked at after everything that arrives."""
        future = asyncio.get_running_loop().create_future()
        self.waiters.append((condition, future))
        self.wake()
        await future

    def wake(self):
        for entry in self.waiters[:]:
            condition, future = entry
            if future.done() or condition():
                self.waiters.remove(entry)
                if not future.done():
                    future.set_result(None)
            elif self.lost.done():
                self.waiters.remove(entry)
                future.set_exception(ConnectionError("the connection ended first"))

    def check(self, fine, what):
        if not fine:
            self.violations.append(what)
        return fine

    # Sending

    def send(self, *pairs):
        """A box as it is, right or wrong."""
        self.send_raw(encode_box(pairs))

    def send_raw(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    def command(self, name, **arguments):
        self.send(("_command", name), *arguments.items())

    async def call(self, name, downloads=(), options=None, **arguments):
        """Asks, and returns the answer's values; keys that name downloads become `Download`s."""
        return await self.start(name, downloads, options, **arguments)

    def start(self, name, downloads=(), options=None, **arguments):
        """The same, written at once; returns a future."""
        tag = b"%x" % self.next_tag
        self.next_tag += 1
        pairs, opened = [("_ask", tag), ("_command", name)], []
        for key, value in arguments.items():
            key = key.replace("_", "-")
            if isinstance(value, Upload):
                opened.append(value)
                pairs += self.open(key, value)
            elif value is not None:
                pairs.append((key, value))
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.asks[tag] = (future, downloads, options or {}, opened)
        future.tag = tag
        self.send(*pairs)
        self.pump()
        return future

    def open(self, key, upload):
        self.next_upload += 1
        upload.id, upload.limit = self.next_upload, self.theirs["window"]
        self.uploads[upload.id] = upload
        if self.send_limit is None:
            self.send_limit = self.theirs["connection-window"]
        siblings = upload.siblings.items()
        return [(key, upload.id)] + [
            (f"{key}-{name}", value) for name, value in siblings if value is not None]

    def pump(self):
        """Sends what credit allows, a chunk of each stream in turn."""
        progress = True
        while progress and self.writable and not self.transport.is_closing():
            progress = False
            for upload in list(self.uploads.values()):
                progress |= self.pump_one(upload)
                if not self.writable:
                    break

    def pump_one(self, upload):
        if upload.closed:
            return False
        count = min(upload.ready(), self.theirs["chunk"], self.send_limit - self.sent)
        if count > 0:
            data = upload.source.read(upload.sent, count)
            upload.sent += len(data)
            self.sent += len(data)
            self.send(("_command", "stream-data"), ("id", upload.id), ("data", bytes(data)))
        if upload.sent == len(upload.source) and upload.ends and upload.gate >= upload.sent:
            self.end(upload)
        return count > 0

    def end(self, upload):
        length = upload.sent if upload.end_length is None else upload.end_length
        extra = {"digest": upload.end_digest} if upload.end_digest else {}
        self.command("stream-end", id=upload.id, length=length, **extra)
        upload.closed = True

    def reset(self, upload, code="CANCELLED"):
        if not upload.closed:
            self.command("stream-reset", id=upload.id, code=code)
            upload.closed = True

    def consumed(self, count):
        """Data of the connection was taken; renewed when a quarter of the window is used."""
        self.taken += count
        window = self.settings["connection-window"]
        if self.taken + window - self.receive_limit >= max(1, window // 4):
            self.receive_limit = self.taken + window
            self.command("stream-credit", id=0, limit=self.receive_limit)

    # asyncio.Protocol

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=131_072, low=65_536)

    def pause_writing(self):
        self.writable = False

    def resume_writing(self):
        self.writable = True
        self.pump()

    def eof_received(self):
        return False

    def connection_lost(self, reason):
        self.check(not self.parser.buffer and not self.parser.pairs or reason,
                   "the connection ended inside a box")
        failure = ConnectionError(f"connection lost: {reason}")
        for future, *_ in self.asks.values():
            if not future.done():
                future.set_exception(failure)
        for download in self.downloads.values():
            if not download.finished.done():
                download.finished.set_exception(failure)
                download.finished.exception()
        if not self.lost.done():
            self.lost.set_result(reason)
        self.wake()

    def data_received(self, data):
        try:
            for pairs in self.parser.feed(data):
                self.box_received(pairs)
        except Violation as violation:
            self.violations.append(str(violation))
            self.transport.abort()
        self.pump()
        self.wake()

    # Receiving

    def box_received(self, pairs):
        box = dict(pairs)
        if not any(key in box for key in RESERVED):
            raise Violation(f"a box without a reserved key: {pairs!r}")
        self.check(len(box) == len(pairs), f"a repeated key: {[key for key, _ in pairs]}")
        self.check(all(len(value) <= 65_534 for value in box.values()), "a value of 65,535 bytes")
        if "_answer" in box:
            self.answer_received(box)
        elif "_error" in box:
            self.error_received(box)
        else:
            self.command_received(box)

    def answer_received(self, box):
        tag = box.pop("_answer")
        if tag not in self.asks:
            raise Violation(f"an answer to no ask of ours, or a second one: {tag!r}")
        future, downloads, options, _ = self.asks.pop(tag)
        opened = {}
        for key in downloads:
            number = integer(box.get(key, b""))
            opened[number] = key
        for number in sorted(opened):
            if number <= self.highest_download:
                raise Violation(f"stream id {number} after {self.highest_download}")
            self.highest_download = number
            self.downloads[number] = Download(self, number, **options)
            box[opened[number]] = self.downloads[number]
        if not future.done():
            future.set_result(box)

    def error_received(self, box):
        tag = box["_error"]
        if tag not in self.asks:
            raise Violation(f"an error for no ask of ours, or a second answer: {tag!r}")
        future, _, _, uploads = self.asks.pop(tag)
        code = box.get("_error_code", b"").decode("ascii", "replace")
        description = box.get("_error_description", b"").decode("utf-8", "strict")
        self.check(code, f"an error without a code: {box!r}")
        for upload in uploads:
            self.reset(upload)
        if not future.done():
            future.set_exception(RemoteError(code, description))

    def command_received(self, box):
        name = box["_command"].decode("ascii", "backslashreplace")
        if name != "stream-data":
            self.boxes.append(box)
        handler = getattr(self, "on_" + name[7:], None) if name.startswith("stream-") else None
        if handler:
            asked = name in ("stream-hello", "stream-ping")
            self.check(("_ask" in box) == asked, f"{name} with or without an ask: {box.keys()}")
            handler(box)
        elif name in self.responders:
            # Called at once, so that it accepts the streams of the box before their data comes.
            answer = self.responders[name](self, box)
            task = asyncio.ensure_future(self.respond(box, answer))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        else:
            self.check("_ask" in box, f"an unknown command that wants no answer: {name}")
            self.send(("_error", box["_ask"]), ("_error_code", "UNHANDLED"),
                      ("_error_description", f"Unhandled Command: {box['_command']!r}"))

    async def respond(self, box, answer):
        try:
            values = await answer
            self.send(("_answer", box["_ask"]), *values.items())
        except RemoteError as error:
            self.send(("_error", box["_ask"]), ("_error_code", error.code),
                      ("_error_description", error.description))
        self.pump()

    def accept(self, number, **options):
        """A stream that a command of the other side opens towards us."""
        if number <= self.highest_download:
            raise Violation(f"stream id {number} after {self.highest_download}")
        self.highest_download = number
        self.downloads[number] = Download(self, number, **options)
        return self.downloads[number]

    def stream(self, box, streams, highest):
        number = integer(box.get("id", b""))
        if number not in streams:
            raise Violation(f"{box['_command']!r} for stream {number}, which nobody opened")
        return streams[number]

    def on_data(self, box):
        download = self.stream(box, self.downloads, self.highest_download)
        data, number = box["data"], download.id
        if download.over:
            raise Violation(f"data on stream {number} after its end")
        self.check(list(box)[-1] == "data", "the key data is not the last of its box")
        self.check(data, f"empty data on stream {number}")
        self.check(len(data) <= self.settings["chunk"], f"a chunk of {len(data)} bytes")
        download.received += len(data)
        self.received += len(data)
        self.check(download.received <= download.limit,
                   f"stream {number} at {download.received}, its credit {download.limit}")
        self.check(self.received <= self.receive_limit,
                   f"connection at {self.received}, its credit {self.receive_limit}")
        if self.trace is not None:
            self.trace.append((number, len(data)))
        if download.stopping:
            download.discard()
            return
        if download.digest:
            download.digest.update(data)
        if download.keep:
            download.content += data
        if download.automatic:
            download.consume(len(data))

    def on_end(self, box):
        download = self.stream(box, self.downloads, self.highest_download)
        if download.over:
            raise Violation(f"a second end of stream {download.id}")
        download.over = True
        length = integer(box.get("length", b""))
        self.check(length == download.received,
                   f"stream {download.id} ends at {length}, received {download.received}")
        download.end_digest = box.get("digest", b"").decode() or None
        if download.end_digest and download.digest:
            self.check(download.end_digest == download.digest.name(),
                       f"stream {download.id} ends with the wrong digest {download.end_digest}")
        if not download.finished.done():
            download.finished.set_result(length)

    def on_reset(self, box):
        download = self.stream(box, self.downloads, self.highest_download)
        if download.over:
            raise Violation(f"stream {download.id} is reset after its end")
        download.over = True
        download.discard()
        code = self.code(box)
        if not download.finished.done():
            download.finished.set_exception(StreamReset(code, box.get("reason", b"").decode()))
            download.finished.exception()

    def on_credit(self, box):
        limit, number = integer(box.get("limit", b"")), integer(box.get("id", b""))
        if number == 0:
            self.check(limit > self.send_limit, f"connection credit lowered to {limit}")
            self.connection_credits.append((self.sent, limit))
            self.send_limit = max(limit, self.send_limit)
            return
        upload = self.stream(box, self.uploads, self.next_upload)
        self.check(limit > upload.limit, f"credit of {number} lowered to {limit}")
        upload.credits.append((upload.sent, limit))
        upload.limit = max(limit, upload.limit)

    def on_stop(self, box):
        upload = self.stream(box, self.uploads, self.next_upload)
        self.check(upload.stopped is None, f"stream {upload.id} is stopped twice")
        upload.stopped = self.code(box)
        self.reset(upload)

    def on_hello(self, box):
        self.accept_settings(box)
        self.send(("_answer", box["_ask"]), *self.own_settings().items())

    def on_ping(self, box):
        nonce = [("nonce", box["nonce"])] if "nonce" in box else []
        self.send(("_answer", box["_ask"]), *nonce)

    def on_goaway(self, box):
        self.goaway = self.code(box), box.get("reason", b"").decode()

    def code(self, box):
        code, reason = box.get("code", b"").decode("ascii", "replace"), box.get("reason", b"")
        self.check(code in CODES, f"an unknown code: {code!r}")
        self.check(len(reason) <= 1_024, f"a reason of {len(reason)} bytes")
        return code


def listing_boxes(content):
    """The entries of a `List`: boxes one after the other."""
    parser = Parser()
    boxes = parser.feed(content)
    if parser.buffer or parser.pairs:
        raise Violation("a listing ends inside a box")
    return [{key: value.decode() for key, value in pairs} for pairs in boxes]
