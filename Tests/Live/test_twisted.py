"""A stock Twisted client: ordinary Commands, Integer for the ids, and no idea of streams.

Run with a Python that has Twisted; without it these tests are skipped.
"""

import pytest

pytest.importorskip("twisted")

from twisted.internet import defer, endpoints, reactor  # noqa: E402
from twisted.protocols import amp  # noqa: E402

from sources import digest_of  # noqa: E402


class NotFound(Exception):
    pass


class BadName(Exception):
    pass


class BadArgument(Exception):
    pass


ERRORS = {NotFound: b"NOT_FOUND", BadName: b"BAD_NAME", BadArgument: b"BAD_ARGUMENT"}


class Ping(amp.Command):
    pass


class Stat(amp.Command):
    arguments = [(b"filename", amp.Unicode()), (b"digest", amp.String(optional=True))]
    response = [(b"size", amp.Integer()), (b"modified", amp.DateTime()),
                (b"digest", amp.String(optional=True))]
    errors = ERRORS


class LooseStat(Stat):
    commandName = b"Stat"
    arguments = [(b"filename", amp.String())]


class Put(amp.Command):
    arguments = [(b"upload", amp.Integer()), (b"filename", amp.Unicode()),
                 (b"digest", amp.String(optional=True))]
    response = [(b"size", amp.Integer()), (b"digest", amp.String(optional=True))]
    errors = ERRORS


class Get(amp.Command):
    arguments = [(b"filename", amp.Unicode())]
    response = [(b"download", amp.Integer()), (b"download-length", amp.Integer(optional=True)),
                (b"size", amp.Integer()), (b"modified", amp.DateTime())]
    errors = ERRORS


class Nope(amp.Command):
    commandName = b"no'pe"


SETTINGS = [(name, amp.Integer()) for name in (
    b"version", b"chunk", b"window", b"connection-window", b"max-streams", b"max-asks")]


class Hello(amp.Command):
    commandName = b"stream-hello"
    arguments = [*SETTINGS, (b"features", amp.String())]
    response = [*SETTINGS, (b"features", amp.String())]


class Data(amp.Command):
    commandName = b"stream-data"
    arguments = [(b"id", amp.Integer()), (b"data", amp.String())]
    requiresAnswer = False


class Credit(amp.Command):
    commandName = b"stream-credit"
    arguments = [(b"id", amp.Integer()), (b"limit", amp.Integer())]
    requiresAnswer = False


class End(amp.Command):
    commandName = b"stream-end"
    arguments = [(b"id", amp.Integer()), (b"length", amp.Integer()),
                 (b"digest", amp.String(optional=True))]
    requiresAnswer = False


class Client(amp.AMP):
    """Keeps what comes on streams."""

    def __init__(self):
        super().__init__()
        self.content, self.ends, self.lost = {}, {}, defer.Deferred()

    @Data.responder
    def data(self, id, data):
        self.content[id] = self.content.get(id, b"") + data
        return {}

    @End.responder
    def end(self, id, length, digest):
        self.finished(id).callback(length)
        return {}

    @Credit.responder
    def credit(self, id, limit):
        return {}

    def finished(self, id):
        return self.ends.setdefault(id, defer.Deferred())

    def connectionLost(self, reason):
        super().connectionLost(reason)
        self.lost.callback(None)


def stock(scenario):
    """A test that runs under Twisted's reactor with a connected client."""

    def test(daemon):
        async def run():
            host, _, port = daemon.address.rpartition(":")
            endpoint = endpoints.TCP4ClientEndpoint(reactor, host, int(port))
            client = await endpoints.connectProtocol(endpoint, Client())
            await scenario(client)
            client.transport.loseConnection()
            await client.lost

        outcome = []
        running = defer.ensureDeferred(run())
        running.addTimeout(60, reactor)
        running.addBoth(outcome.append)
        running.addBoth(lambda _: reactor.crash())
        if not outcome:
            reactor.run(installSignalHandlers=False)
        if outcome[0] is not None:
            outcome[0].raiseException()

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


async def fails(deferred, kind):
    try:
        await deferred
    except kind as error:
        return error
    raise AssertionError(f"answered, and no {kind.__name__}")


@stock
async def test_ping_and_stat(client):
    assert await client.callRemote(Ping) == {}
    await fails(client.callRemote(Stat, filename="nothing here"), NotFound)
    await fails(client.callRemote(Stat, filename="../x"), BadName)
    await fails(client.callRemote(LooseStat, filename=b"\xff"), BadArgument)
    assert await client.callRemote(Ping) == {}


@stock
async def test_an_unknown_command_is_told_in_twisteds_words(client):
    error = await fails(client.callRemote(Nope), amp.UnhandledCommand)
    assert error.args == ("UNHANDLED", 'Unhandled Command: b"no\'pe"') or error.args == (
        b"UNHANDLED", 'Unhandled Command: b"no\'pe"'), error.args
    assert await client.callRemote(Ping) == {}


@stock
async def test_calls_in_flight_are_all_answered(client):
    calls = [client.callRemote(Ping) for _ in range(300)]
    assert await defer.gatherResults(calls) == [{}] * 300


async def put_and_get(client, body, chunk):
    putting = client.callRemote(Put, upload=1, filename="stock", digest=b"sha256")
    for start in range(0, len(body), chunk):
        client.callRemote(Data, id=1, data=body[start : start + chunk])
    client.callRemote(End, id=1, length=len(body))
    answer = await putting
    assert answer == {"size": len(body), "digest": digest_of(body).encode()}

    got = await client.callRemote(Get, filename="stock")
    assert got["size"] == len(body)
    assert await client.finished(got["download"]) == len(body)
    assert client.content[got["download"]] == body
    stat = await client.callRemote(Stat, filename="stock", digest=b"sha256")
    assert stat["digest"] == digest_of(body).encode()
    assert stat["modified"] == got["modified"]


@stock
async def test_streams_after_a_hello_by_plain_commands(client):
    theirs = await client.callRemote(
        Hello, version=1, chunk=61_440, window=2**63 - 1, connection_window=2**63 - 1,
        max_streams=16, max_asks=64, features=b"")
    assert theirs["version"] == 1 and theirs["features"].decode() is not None
    await put_and_get(client, b"a stock peer's bytes " * 3_000, theirs["chunk"])


@stock
async def test_streams_without_a_hello(client):
    """The defaults hold: chunks of 16,384, a window of 262,144."""
    await put_and_get(client, b"not even a hello " * 3_000, 16_384)
