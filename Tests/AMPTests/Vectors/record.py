"""Records what real Twisted does, as data that the tests replay.

    python3 -m venv venv && venv/bin/pip install twisted
    venv/bin/python Tests/AMPTests/Vectors/record.py [DIRECTORY]

Nothing here says what AMP should do: every outcome is Twisted's own, observed. The files are
written beside this script (or into DIRECTORY), the same bytes every time for one Twisted.

Each file is {"twisted": version, "cases": [case, ...]}. Bytes are hex; a long run of one byte is
written `61*65535`, and the pieces stand apart by spaces. A list of pairs is [[key, value], ...].
Every case has a `name`, unique in its file, a `kind`, and:

boxes.json
  encode    pairs (in any order), wire (absent if refused), outcome: accepted | refused
  parse     wire, boxes (a list of lists of pairs, sorted by key: what came out before the end),
            outcome: whole (the wire ends with a box) | partial (inside one) |
            closed (flushed, then closed) | dropped (at once)
calls.json
  call      what a client writes: count (the how-manieth call of its connection), command, pairs
            (the arguments, encoded), asks (is an answer wanted), wire
replies.json
  exchange  what a server does: request (bytes in), wire (bytes out),
            outcome: open | closed (flushed, then closed) | dropped (at once)
            and, where the answer is one box: `ask` and either `pairs` or `code` + `description`
  outcome   what the client's third call of Sum (a + b = total, tag 3) makes of wire:
            result (the decoded total), or error (its class; a remote one's `description` too),
            or neither (still waiting), and outcome: open | closed | dropped
types.json
  type      type (its name in Twisted; Optional(...) and List(...) to come beside the others),
            wire, outcome: accepted | rejected, and if accepted: `again`, the value as Twisted
            encodes it once more; DateTime has `microseconds` since 1970 in UTC, as text
  unencodable
            type, value (Python's repr): what Twisted refuses to put on the wire
"""

import datetime
import json
import re
import sys
from pathlib import Path

import twisted
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.protocols import amp
from twisted.python.failure import Failure


class Transport(StringTransport):
    """Remembers how the connection was closed."""

    outcome = "open"

    def loseConnection(self):
        self.outcome = "closed"
        super().loseConnection()

    def abortConnection(self):
        self.outcome = "dropped"
        super().abortConnection()


def feed(protocol, transport, data):
    """Hands data to the protocol as the reactor does: what escapes drops the connection."""
    try:
        protocol.dataReceived(data)
    except Exception:
        transport.outcome = "dropped"


def text(data):
    """Bytes as hex, with long runs of one byte folded."""
    pieces = []
    for match in re.finditer(rb"(.)\1{63,}|(?:(?!(.)\2{63,}).)+", data, re.DOTALL):
        run = match[0]
        folded = len(run) >= 64 and match[1] is not None
        pieces.append(f"{run[0]:02x}*{len(run)}" if folded else run.hex())
    return " ".join(pieces)


def pairs(box):
    return [[text(key), text(value)] for key, value in box]


def wire(*box):
    """A box written by hand, so that order, repetition and lengths are free."""
    written = b"".join(
        len(part).to_bytes(2, "big") + part for pair in box for part in pair
    )
    return written + b"\0\0"


# Boxes


class Collector:
    def __init__(self):
        self.boxes = []

    def startReceivingBoxes(self, sender):
        pass

    def ampBoxReceived(self, box):
        self.boxes.append(sorted(box.items()))

    def stopReceivingBoxes(self, reason):
        pass


def parse(name, data):
    collector, transport = Collector(), Transport()
    protocol = amp.BinaryBoxProtocol(collector)
    protocol.makeConnection(transport)
    feed(protocol, transport, data)
    outcome = transport.outcome
    if outcome == "open":
        inside = protocol._unprocessed or protocol._currentBox is not None
        outcome = "partial" if inside else "whole"
    boxes = [pairs(box) for box in collector.boxes]
    return dict(name=name, kind="parse", wire=text(data), boxes=boxes, outcome=outcome)


def encode(name, *box):
    case = dict(name=name, kind="encode", pairs=pairs(box))
    try:
        case["wire"] = text(amp.Box(box).serialize())
        case["outcome"] = "accepted"
    except amp.TooLong:
        case["outcome"] = "refused"
    return case


def boxes():
    ask = (b"_ask", b"1"), (b"_command", b"Sum"), (b"a", b"13"), (b"b", b"81")
    many = [(b"key-%02d" % number, b"value %d" % number) for number in range(64)]
    large = b"\xa5" * 65535
    yield encode("a call", *ask)
    yield encode("pairs are sorted by key", *reversed(ask))
    yield encode("keys are sorted as bytes", (b"b", b""), (b"B", b""), (b"\xff", b""), (b"_", b""))
    yield encode("a prefix sorts first", (b"aa", b"2"), (b"a", b"1"), (b"a\0", b"3"))
    yield encode("sixty-four pairs", *reversed(many))
    yield encode("every byte in key and value", (bytes(range(1, 256)), bytes(range(256))))
    yield encode("the shortest key, the empty value", (b"k", b""))
    yield encode("one byte of zero", (b"\0", b"\0"))
    yield encode("the longest key", (b"k" * 255, b"v"))
    yield encode("a key too long", (b"k" * 256, b"v"))
    yield encode("a value of 255", (b"k", b"v" * 255))
    yield encode("a value of 256", (b"k", b"v" * 256))
    yield encode("a value of 65534", (b"k", large[:65534]))
    yield encode("the longest value", (b"k", large))
    yield encode("a value too long", (b"k", large + b"\xa5"))

    yield parse("nothing", b"")
    yield parse("a call", wire(*ask))
    yield parse("pairs in any order", wire(*reversed(ask)))
    yield parse("three boxes", wire(*ask) + wire((b"_answer", b"1")) + wire(*ask))
    yield parse("sixty-four pairs", wire(*many))
    yield parse("of a repeated key the last wins", wire((b"k", b"1"), (b"j", b"2"), (b"k", b"3")))
    yield parse("a repeated key made empty", wire((b"k", b"1"), (b"k", b"")))
    yield parse("empty value", wire((b"k", b"")))
    yield parse("zeros in key and value", wire((b"\0\0", b"\0\0\0\0")))
    yield parse("a value that looks like a box", wire((b"k", wire(*ask))))
    yield parse("the longest key", wire((b"k" * 255, b"v")))
    yield parse("the longest value", wire((b"k", large)))
    yield parse("two long values", wire((b"k", large[:65534]), (b"l", large[:300])))
    yield parse("an empty box", b"\0\0")
    yield parse("an empty box between two", wire(*ask) + b"\0\0" + wire(*ask))
    yield parse("half a length", b"\0")
    yield parse("half a key", wire(*ask)[:4])
    yield parse("a key and no value", wire(*ask)[:6])
    yield parse("half a value's length", wire(*ask)[:7])
    yield parse("half a value", wire(*ask) + wire(*ask)[:20])
    yield parse("all but the last byte", wire(*ask)[:-1])
    yield parse("a key of 256", b"\x01\x00" + b"k" * 256)
    yield parse("a key of 256 after a box", wire(*ask) + b"\x01\x00" + b"k" * 256)
    yield parse("a key of 300 inside a box", wire(*ask)[:-2] + b"\x01\x2c" + b"k" * 300)
    yield parse("a key of 65535", b"\xff\xff")
    yield parse("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    yield parse("a TLS hello", bytes.fromhex("16030100c8010000c40303"))


# Calls: what an amp.AMP client writes


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Divide(amp.Command):
    arguments = [(b"numerator", amp.Integer()), (b"denominator", amp.Integer())]
    response = [(b"result", amp.Float())]
    errors = {ZeroDivisionError: b"ZERO_DIVISION"}
    fatalErrors = {OverflowError: b"OVERFLOW"}


class Note(amp.Command):
    arguments = [(b"text", amp.Unicode()), (b"in-reply-to", amp.String(optional=True))]
    requiresAnswer = False


class Ping(amp.Command):
    pass


class Nothing(amp.Command):
    """Its responder returns None, which is no answer."""


class Twice(amp.Command):
    commandName = b"a command, with spaces"
    arguments = [(b"when", amp.DateTime()), (b"really", amp.Boolean())]


def calls():
    client, transport = amp.AMP(), Transport()
    client.makeConnection(transport)
    count = 0

    def call(name, command, **arguments):
        nonlocal count
        count += 1
        transport.clear()
        answer = client.callRemote(command, **arguments)
        if answer is not None:
            answer.addErrback(lambda failure: None)
        encoded = command.makeArguments(arguments, client)
        return dict(
            name=name,
            kind="call",
            count=count,
            command=text(command.commandName),
            pairs=pairs(sorted(encoded.items())),
            asks=command.requiresAnswer,
            wire=text(transport.value()),
        )

    yield call("two integers", Sum, a=13, b=81)
    yield call("a no-answer command counts", Note, text="grüße", in_reply_to=b"\xff")
    yield call("its tag is skipped", Sum, a=-1, b=0)
    yield call("an optional argument left out", Note, text="")
    yield call("an optional argument that is empty", Note, text="x", in_reply_to=b"")
    yield call("no arguments", Ping)
    when = datetime.datetime(2012, 1, 23, 12, 34, 56, 54321, amp.utc)
    yield call("a name with spaces", Twice, when=when, really=True)
    yield call("keys before the reserved ones", Divide, numerator=10, denominator=3)
    for number in range(count + 1, 4098):
        case = call(f"call {number}", Ping)
        if number in (9, 10, 15, 16, 17, 255, 256, 4095, 4096, 4097):
            yield case
    client.connectionLost(Failure(ConnectionLost()))


# Replies: what a server answers, and what a client makes of an answer


class Server(amp.AMP):
    @Sum.responder
    def sum(self, a, b):
        return {"total": a + b}

    @Divide.responder
    def divide(self, numerator, denominator):
        if numerator > 10**300:
            raise OverflowError("too large")
        if denominator == 13:
            raise RuntimeError("nobody declared this")
        if denominator == 14:
            raise ZeroDivisionError("naïve \N{SNOWMAN}")
        return {"result": numerator / denominator}

    @Note.responder
    def note(self, text, in_reply_to):
        if text == "raise":
            raise ValueError(text)
        return {}

    @Ping.responder
    def ping(self):
        return {}

    @Nothing.responder
    def nothing(self):
        return None


def exchange(name, request):
    server, transport = Server(), Transport()
    server.makeConnection(transport)
    feed(server, transport, request)
    reply = transport.value()
    case = dict(name=name, kind="exchange", request=text(request), wire=text(reply))
    case["outcome"] = transport.outcome
    answers = amp.parseString(reply)
    if len(answers) == 1:
        box = dict(answers[0])
        if b"_answer" in box:
            case["ask"] = text(box.pop(b"_answer"))
            case["pairs"] = pairs(sorted(box.items()))
        else:
            case["ask"] = text(box[b"_error"])
            case["code"] = text(box[b"_error_code"])
            case["description"] = text(box[b"_error_description"])
    return case


def ask(command, tag=b"1", **arguments):
    pairs = [(b"_ask", tag), (b"_command", command)]
    return wire(*pairs, *((key.encode(), value) for key, value in arguments.items()))


def exchanges():
    odd = [b"nope", b"", b"no'pe", b'no"pe', b"n'o\"pe", b"back\\slash", b"tab\tline\nreturn\r"]
    odd += [b"\x00\x01\x1f\x7f", b"~ !", b"{}%s", b"long" * 60]
    total = ask(b"Sum", a=b"13", b=b"81")
    divide = ask(b"Divide", numerator=b"1", denominator=b"4")
    yield exchange("an answer", total)
    yield exchange("an answer without arguments", ask(b"Ping"))
    yield exchange("two answers in order", total + divide)
    yield exchange("pairs in any order", wire(*sorted(amp.parseString(total)[0].items())[::-1]))
    yield exchange("unknown keys are ignored", ask(b"Sum", a=b"1", b=b"2", c=b"3"))
    yield exchange("lenient integers", ask(b"Sum", a=b" +1_0\n", b=b"-007"))
    yield exchange("a tag of any bytes", ask(b"Ping", tag=b"\xff\x00 z"))
    yield exchange("an empty tag", ask(b"Ping", tag=b""))
    yield exchange("a long tag", ask(b"Ping", tag=b"t" * 1000))
    yield exchange("a no-answer command", wire((b"_command", b"Note"), (b"text", b"x")))
    yield exchange("a no-answer command that is asked", ask(b"Note", text=b"x"))
    yield exchange("an answerable command not asked", wire((b"_command", b"Ping")))
    for name in odd:
        yield exchange(f"unknown command {name[:16]!r}", ask(name))
    yield exchange("unknown command beside a known one", ask(b"nope", b"7") + ask(b"Ping", b"8"))
    yield exchange("unknown command not asked", wire((b"_command", b"nope")))
    yield exchange("a command's name not in ASCII", ask(b"gr\xc3\xbc\xc3\x9fe"))
    yield exchange("a declared error", ask(b"Divide", numerator=b"1", denominator=b"0"))
    yield exchange("a description in UTF-8", ask(b"Divide", numerator=b"1", denominator=b"14"))
    fatal = ask(b"Divide", numerator=b"1" * 302, denominator=b"1")
    yield exchange("a fatal error", fatal)
    yield exchange("a fatal error, then a call in the same read", fatal + ask(b"Ping", b"2"))
    yield exchange("an undeclared error", ask(b"Divide", numerator=b"1", denominator=b"13"))
    yield exchange("an argument that does not decode", ask(b"Sum", a=b"1.0", b=b"2"))
    yield exchange("an argument that is absent", ask(b"Sum", a=b"1"))
    yield exchange("a responder without an answer", ask(b"Nothing"))
    raising = wire((b"_command", b"Note"), (b"text", b"raise"))
    yield exchange("an error of a command not asked", raising)
    yield exchange("an empty box", b"\0\0")
    yield exchange("no reserved key", wire((b"a", b"1")))
    yield exchange("only a tag", wire((b"_ask", b"1")))
    yield exchange("an answer to nothing", wire((b"_answer", b"1")))
    both = wire((b"_answer", b"1"), (b"_command", b"Ping"))
    yield exchange("an answer goes before a command", both)
    yield exchange("an HTTP request after a call", total + b"GET / HTTP/1.1\r\n\r\n")


def outcome(name, reply):
    client, transport = amp.AMP(), Transport()
    client.makeConnection(transport)
    case = dict(name=name, kind="outcome", wire=text(reply))
    client.callRemote(Ping).addErrback(lambda failure: None)
    client.callRemote(Ping).addErrback(lambda failure: None)
    call = client.callRemote(Sum, a=1, b=2)
    call.addCallback(lambda values: case.update(result=text(b"%d" % values["total"])))

    def failed(failure):
        case["error"] = failure.type.__name__
        if failure.check(amp.AmpError):
            said = getattr(failure.value, "description", failure.value.args[-1])
            case["description"] = text(said.encode())

    call.addErrback(failed)
    feed(client, transport, reply)
    case["outcome"] = transport.outcome
    if transport.outcome == "open":
        call.addErrback(lambda failure: None)
    return case


def outcomes():
    def error(code, description, tag=b"3"):
        return wire((b"_error", tag), (b"_error_code", code), (b"_error_description", description))

    total = wire((b"_answer", b"3"), (b"total", b"3"))
    unknown = error(b"UNKNOWN", b"Unknown Error")
    yield outcome("an answer", total)
    yield outcome("answers out of order", total + wire((b"_answer", b"1")))
    more = wire((b"_answer", b"3"), (b"total", b"3"), (b"sum", b"4"))
    yield outcome("unknown keys are ignored", more)
    yield outcome("half an answer", total[:-1])
    yield outcome("an unknown tag", wire((b"_answer", b"4"), (b"total", b"3")))
    yield outcome("tags are bytes, not numbers", wire((b"_answer", b"03"), (b"total", b"3")))
    yield outcome("a second answer", total + total)
    yield outcome("an absent response key", wire((b"_answer", b"3")))
    yield outcome("a response that does not decode", wire((b"_answer", b"3"), (b"total", b"x")))
    yield outcome("an unknown command", error(b"UNHANDLED", b"Unhandled Command: b'Sum'"))
    yield outcome("an unknown error", unknown)
    yield outcome("a code of nobody's", error(b"TEAPOT", b"short and stout"))
    yield outcome("a description not in UTF-8", error(b"TEAPOT", b"\xff\xfe"))
    yield outcome("an error without a code", wire((b"_error", b"3"), (b"_error_description", b"")))
    yield outcome("an error without a description", wire((b"_error", b"3"), (b"_error_code", b"x")))
    yield outcome("an error for an unknown tag", error(b"UNKNOWN", b"", tag=b"9"))
    yield outcome("an answer goes before an error", unknown[:-2] + total)


# Types


def decode(name, argument, data):
    shown = repr(data) if len(data) <= 40 else f"{data[:8]!r}... ({len(data)} bytes)"
    case = dict(name=f"{name}: {shown}", kind="type", type=name, wire=text(data))
    protocol = amp.AMP()
    try:
        value = argument.fromStringProto(data, protocol)
        again = argument.toStringProto(value, protocol)
    except Exception:
        case["outcome"] = "rejected"
        return case
    case.update(outcome="accepted", again=text(again))
    if name == "DateTime":
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        case["microseconds"] = str((value - epoch) // datetime.timedelta(microseconds=1))
    return case


def unencodable(name, argument, value):
    try:
        argument.toStringProto(value, amp.AMP())
    except Exception:
        return dict(name=f"{name} of {value!r}", kind="unencodable", type=name, value=repr(value))
    raise AssertionError(f"{name} takes {value!r}")


INTEGERS = [b"0", b"1", b"-1", b"13", b"-0", b"+5", b"007", b"-007", b"1_000", b"1_0_0", b" 1",
    b"1 ", b"\t1\n", b"\x0b1\x0c", b"\r\n1\r\n", b"\x1c1", b"\xc2\xa01", b"", b" ", b"+", b"-",
    b"--1", b"+-1", b"- 1", b"1 2", b"1__0", b"_1", b"1_", b"-_1", b"0x10", b"0b1", b"0o7", b"1.0",
    b"1.", b"1e3", b"1L", b"1\0", b"\x001", b"one", b"None", b"True", b"\xef\xbc\x91", b"\xd9\xa1",
    b"\xff", b"0_0", b"-0_1", b"00", b"127", b"128", b"255", b"256", b"2147483647", b"2147483648",
    b"-2147483649", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808",
    b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616", b"1" * 100,
    b"0" * 100 + b"7", b"1" * 4300, b"1" * 4301]

STRINGS = [b"", b"x", b"\0", b"\xff\xfe", bytes(range(256)), b"a" * 1000]

TEXTS = [b"", b"x", b"\0", b"a\0b", "grüße".encode(), "日本".encode(), "\U0001f600".encode(),
    "e\u0301".encode(), "\ufeffbom".encode(), "\ufffe".encode(),
    b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf", b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80",
    b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xed\x9f\xbf", b"\xed\xa0\x80",
    b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xee\x80\x80", b"\xc3", b"\xc3(", b"\xe2\x82",
    b"\xf0\x9f\x98", b"a\xe2\x82b", b"\xff", b"\xfe", b"x\xff"]

BOOLEANS = [b"True", b"False", b"true", b"false", b"TRUE", b"", b"1", b"0", b" True", b"True ",
    b"True\0", b"Tru", b"None", b"yes", b"Truefalse"]

INSTANTS = [b"2012-01-23T12:34:56.054321-01:30", b"2012-01-23T12:34:56.054321+01:30",
    b"2012-01-23T12:34:56.054321-00:00", b"2012-01-23T12:34:56.054321+00:00",
    b"1970-01-01T00:00:00.000000-00:00", b"1969-12-31T23:59:59.999999-00:00",
    b"0001-01-01T00:00:00.000000-00:00", b"9999-12-31T23:59:59.999999-00:00",
    b"0001-01-01T00:00:00.000000+23:59", b"9999-12-31T23:59:59.999999-23:59",
    b"2000-02-29T00:00:00.000000-00:00", b"2100-02-29T00:00:00.000000-00:00",
    b"1900-02-29T00:00:00.000000-00:00", b"2023-02-29T00:00:00.000000-00:00",
    b"2024-02-29T12:00:00.000001+14:00", b"2024-12-31T23:59:59.999999-12:00",
    b"2024-04-31T00:00:00.000000-00:00", b"2024-00-10T00:00:00.000000-00:00",
    b"2024-13-10T00:00:00.000000-00:00", b"2024-01-00T00:00:00.000000-00:00",
    b"2024-01-32T00:00:00.000000-00:00", b"0000-01-01T00:00:00.000000-00:00",
    b"2024-01-01T24:00:00.000000-00:00", b"2024-01-01T23:60:00.000000-00:00",
    b"2024-01-01T23:59:60.000000-00:00", b"2024-01-01T00:00:00.000000+23:59",
    b"2024-01-01T00:00:00.000000-23:59", b"2024-01-01T00:00:00.000000+24:00",
    b"2024-01-01T00:00:00.000000-24:00", b"2024-01-01T00:00:00.000000+00:60",
    b"2024-01-01T00:00:00.000000+01:99", b"2024-01-01T00:00:00.000000+99:99",
    b"2024-01-01T00:00:00.000000 00:00", b"2024-01-01T00:00:00.000000Z",
    b"2024-01-01T00:00:00.000000Z00:00", b"2024-01-01T00:00:00.000000-0000",
    b"2024-01-01T00:00:00-00:00", b"2024-01-01", b"", b"2024-01-01T00:00:00.000000-00:00 ",
    b"2024-01-01T00:00:00.000000-00:0", b"2024-01-01 00:00:00.000000-00:00",
    b"2024/01/01t00.00.00,000000-00.00", b"2024-01-01T00:00:00.000000+ 1:+2",
    b"2024- 1-+1T 0: 0: 0.1_0000-00:00", b" 024-01-01T00:00:00.000000-00:00",
    b"+024-01-01T00:00:00.000000-00:00", b"2_24-01-01T00:00:00.000000-00:00",
    b"-024-01-01T00:00:00.000000-00:00", b"2024-01-01T00:00:00.-00001-00:00",
    b"2024-01-01T00:00:00.000000+-1:00", b"2024-01-01T00:00:00.000000+00:-1",
    b"2024-0a-01T00:00:00.000000-00:00", b"2024-01-01T00:00:0\0.000000-00:00",
    "2024-01-01T00:00:00.000000−00:00".encode(), b"\xff" * 32]


def types():
    """The types that ampd's commands need. Float, Decimal, Path, ListOf and AmpList belong here."""
    for data in INTEGERS:
        yield decode("Integer", amp.Integer(), data)
    for data in STRINGS:
        yield decode("String", amp.String(), data)
    for data in TEXTS:
        yield decode("Unicode", amp.Unicode(), data)
    for data in BOOLEANS:
        yield decode("Boolean", amp.Boolean(), data)
    for data in INSTANTS:
        yield decode("DateTime", amp.DateTime(), data)
    yield unencodable("Unicode", amp.Unicode(), "\ud800")
    yield unencodable("DateTime", amp.DateTime(), datetime.datetime(2024, 1, 1))


def write(directory, name, cases):
    cases = list(cases)
    names = [(case["kind"], case["name"]) for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"two cases of one name: {twice}"
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    head = json.dumps(twisted.__version__)
    document = f'{{"twisted": {head}, "cases": [\n{lines}\n]}}\n'
    (directory / name).write_text(document, encoding="ascii")
    print(f"{name}: {len(cases)} cases")


def main():
    for observer in list(globalLogPublisher._observers):
        globalLogPublisher.removeObserver(observer)
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else __file__)
    directory = directory if directory.is_dir() else directory.parent
    write(directory, "boxes.json", boxes())
    write(directory, "calls.json", calls())
    write(directory, "replies.json", [*exchanges(), *outcomes()])
    write(directory, "types.json", types())


if __name__ == "__main__":
    main()
