"""The peer itself: two of them speak to each other, and every check of it is seen to catch."""

import asyncio
import socket

import pytest

from amppeer import Parser, Peer, RemoteError, Upload, Violation, encode_box, listing_boxes
from sources import Pattern, digest_of


async def couple(responders, **settings):
    """A client and a server over a socket pair."""
    loop = asyncio.get_running_loop()
    ends = socket.socketpair()
    _, client = await loop.create_connection(lambda: Peer(**settings), sock=ends[0])
    _, server = await loop.create_connection(lambda: Peer(responders, **settings), sock=ends[1])
    return client, server


def put(peer, box):
    download = peer.accept(int(box["upload"]), digest="xxh3")

    async def answer():
        await download.finished
        return {"size": download.received, "digest": download.digest.name()}

    return answer()


async def get(peer, box):
    upload = Upload(Pattern(int(box["size"])))
    return dict(peer.open("download", upload))


async def test_two_peers_exchange_streams():
    client, server = await couple({"Put": put, "Get": get}, window=70_000, connection_window=90_000)
    await client.hello()
    source = Pattern(3_000_000, seed=3)
    answers = await asyncio.gather(
        *(client.call("Put", upload=Upload(source)) for _ in range(5)))
    assert all(answer["digest"].decode() == source.digest("xxh3") for answer in answers)
    download = (await client.call("Get", downloads=["download"], size=1_000_000,
                                  options={"digest": "sha256"}))["download"]
    await download.finished
    assert download.digest.name() == Pattern(1_000_000).digest()
    with pytest.raises(RemoteError, match="UNHANDLED"):
        await client.call("Nope")
    await client.close()
    await server.close()


def test_boxes_survive_any_split():
    pairs = [("_ask", b"1"), ("k", b""), ("long", bytes(300))]
    data = encode_box(pairs) * 2
    for cut in range(len(data)):
        parser = Parser()
        assert parser.feed(data[:cut]) + parser.feed(data[cut:]) == [pairs, pairs]
    assert listing_boxes(encode_box([("name", "a")])) == [{"name": "a"}]
    with pytest.raises(Violation):
        listing_boxes(data[:-1])


def data(number, payload=b"x"):
    return encode_box([("_command", "stream-data"), ("id", number), ("data", payload)])


def stream(command, **arguments):
    return encode_box([("_command", "stream-" + command), *arguments.items()])


OPENED = encode_box([("_answer", "1"), ("download", 1)])
END = stream("end", id=1, length=0)


@pytest.mark.parametrize("expected, wire", [
    ("reserved key", b"\0\0"),
    ("a key of 300", b"\x01\x2c"),
    ("ended inside a box", OPENED[:-1]),
    ("a repeated key", encode_box([("_answer", "1"), ("a", ""), ("a", ""), ("download", 1)])),
    ("no ask of ours", OPENED + encode_box([("_answer", "1")])),
    ("no ask of ours", OPENED + encode_box([("_error", "1"), ("_error_code", "IO")])),
    ("without a code", encode_box([("_error", "1")])),
    ("nobody opened", data(1) + OPENED),
    ("nobody opened", OPENED + data(2)),
    ("stream id 0 after 0", encode_box([("_answer", "1"), ("download", 0)])),
    ("plain digits", encode_box([("_answer", "1"), ("download", "01")])),
    ("plain number", encode_box([("_answer", "1"), ("download", -1)])),
    ("plain number", encode_box([("_answer", "1"), ("download", 2**63)])),
    ("empty data", OPENED + data(1, b"")),
    ("a chunk of 61441", OPENED + data(1, bytes(61_441))),
    ("stream 1 at 262145", OPENED + data(1, bytes(52_429)) * 5),
    ("after its end", OPENED + END + data(1)),
    ("a second end", OPENED + END + END),
    ("reset after its end", OPENED + END + stream("reset", id=1, code="STORAGE")),
    ("ends at 5", OPENED + stream("end", id=1, length=5)),
    ("an unknown code", OPENED + stream("reset", id=1, code="OOPS")),
    ("not the last", OPENED + stream("data", data=b"x", id=1)),
    ("wants no answer", stream("surprise")),
    ("with or without an ask", stream("ping")),
    ("with or without an ask", OPENED + stream("data", _ask="7", id=1, data="x")),
    ("connection credit lowered", stream("credit", id=0, limit=5)),
    ("nobody opened", stream("credit", id=1, limit=5)),
    ("nobody opened", stream("stop", id=1, code="FLOW")),
])
async def test_violations_are_seen(expected, wire):
    """Each of these a peer might do; none may pass unseen."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    _, peer = await loop.create_connection(Peer, sock=ours)
    peer.send_limit = peer.theirs["connection-window"]
    peer.start("Get", downloads=["download"], options={"automatic": False})
    theirs.setblocking(False)
    await loop.sock_sendall(theirs, wire)
    theirs.shutdown(socket.SHUT_WR)
    await peer.wait_lost()
    with pytest.raises(Violation, match=expected):
        await peer.close()
    theirs.close()


async def test_connection_credit_is_watched():
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    make = lambda: Peer(connection_window=100)
    _, peer = await loop.create_connection(make, sock=ours)
    peer.start("Get", downloads=["download"], options={"automatic": False})
    theirs.sendall(OPENED + data(1, bytes(101)))
    await peer.wait_for(lambda: peer.received)
    with pytest.raises(Violation, match="connection at 101"):
        await peer.close()
    theirs.close()
