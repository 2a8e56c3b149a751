"""Every fault of the network, and what reads and writes get for it: the one table that the matrix is judged by."""

from __future__ import annotations

import gzip
from email.utils import formatdate

import attrs

from support import hostile_acts as acts, hostile_answers as answers, hostile_places as places

HTML = b"<html><head><title>Oops</title></head><body><h1>Oops</h1></body></html>"
NO_ANSWER = "ConnectionFailed(sent=True)"
NOT_SENT = "ConnectionFailed(sent=False)"
IN_DOUBT = "OutcomeUnknown"
RESULT = "a result"


@attrs.frozen
class Fault:
    """A fault.

    Attributes:
        group: the section of the page.
        name: in plain words.
        act: what the server does with a request; of other places, what stands for the right thing.
        read: what reads end with, in the words of `outcome`; one of these.
        write: what writes end with, if the fault meets them and not the reads before.
        stage: where it strikes.
        passes: whether a wait goes on, because it may pass.
        effect: whether the request takes effect.
        heavy: whether it costs so much that a few operations stand for all, and two attempts for five.
        like_others: whether it is nearly the same as others, so that one operation of each kind is enough.
        goes_on: the name of a function of aiohttp's whose tasks go on while the fault lasts.
        keeps_in: whether no request leaves the client, so that no permit is spent.
    """

    group: str
    name: str
    act: object
    read: tuple[str, ...]
    write: tuple[str, ...]
    place: type[places.Place] = places.Place
    passes: bool = False
    effect: bool = True
    heavy: bool = False
    like_others: bool = False
    goes_on: str = ""
    keeps_in: bool = False

    @property
    def harmless(self):
        """Whether what is read is the same as without the fault, which the answer does not change."""
        return self.read == (RESULT,) and self.name not in CHANGED

    def stage(self, world):
        return self.place(self, world)


def one(text):
    return (text,) if isinstance(text, str) else tuple(text)


def fault(group, name, act, *, read, write, **options):
    return Fault(group, name, act, one(read), one(write), **options)


UNREADABLE = {"read": "DecodeError(body)", "write": IN_DOUBT, "passes": True}
ANY = (RESULT, "DecodeError(a field)", "NotFound(200)", "IncompletePull", "DecodeError(body)")
TOLERATED = {"read": RESULT, "write": RESULT}


def packed(change):
    return acts.body(change, headers=("Content-Encoding: gzip",))


BODIES = [
    ("the body is empty", acts.body(lambda _: b""), UNREADABLE),
    ("a page of HTML under 200", acts.body(lambda _: HTML, kind="text/html"), UNREADABLE),
    ("half of the JSON, as a whole answer", acts.body(answers.half), UNREADABLE),
    ("a plain text", acts.body(lambda _: b"upstream connect error"), UNREADABLE),
    ("50 MB of blanks", acts.body(lambda _: answers.blanks()), UNREADABLE | {"heavy": True}),
    ("UTF-16", acts.body(lambda true: true.decode().encode("utf-16")), {"read": RESULT, "write": IN_DOUBT}),
    ("gzip that is corrupt", packed(answers.damaged_gzip), {"read": NO_ANSWER, "write": IN_DOUBT, "passes": True}),
    ("gzip that is none", packed(lambda true: true), {"read": NO_ANSWER, "write": IN_DOUBT, "passes": True}),
    ("a gzip bomb", packed(lambda _: answers.bomb()), {"read": "DecodeError(body size)", "write": IN_DOUBT, "heavy": True}),
    ("gzip that is sound", packed(gzip.compress), TOLERATED),
    ("the wrong content type", acts.body(lambda true: true, kind="text/html"), TOLERATED),
    ("unknown fields everywhere", acts.body(answers.unknown_fields), TOLERATED),
    ("duplicate keys", acts.body(answers.duplicate_keys), TOLERATED),
    ("a field nested 100,000 deep beside the data", acts.body(answers.deep), {"read": (RESULT, "DecodeError(body)"), "write": (RESULT, IN_DOUBT), "passes": True}),
    ("data nested 100,000 deep", acts.body(answers.deep_data), UNREADABLE | {"like_others": True}),
    ("no data", acts.body(answers.null_data), {"read": (*ANY, "NoFreight(200)"), "write": (IN_DOUBT, RESULT)}),
    ("null everywhere", acts.body(answers.nulls), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("wrong types everywhere", acts.body(answers.wrong_types), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("NaN for numbers", acts.body(answers.numbers(b"NaN")), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("Infinity for numbers", acts.body(answers.numbers(b"-Infinity")), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("1e400 for numbers", acts.body(answers.numbers(b"1e400")), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("1e999999999 for numbers", acts.body(answers.numbers(b"1e999999999")), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("numbers of 5,000 digits", acts.body(answers.numbers(b"7" * 5000)), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("raw control characters in texts", acts.body(lambda true: answers.texts(lambda text: text + "\x01@tab@")(true).replace(b"@tab@", b"\t\x00")), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("half surrogates in texts", acts.body(lambda true: answers.texts(lambda text: text + "@half@")(true).replace(b"@half@", b"\\ud83d")), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
    ("bytes of Latin-1 in texts", acts.body(lambda true: answers.texts(lambda text: text + "@latin@")(true).replace(b"@latin@", b"\xe9\xff")), {"read": ANY, "write": (IN_DOUBT, RESULT)}),
]  # fmt: skip


# Statuses

CLASSES = {401: "Unauthorized", 403: "Unauthorized", 404: "NotFound", 429: "RateLimited"}
BAD_REQUESTS = [
    *range(400, 407), *range(408, 419), 421, 422, 423, 424, 425, 426, 428, 431, 451
]  # fmt: skip
BROKEN_SERVERS = [500, 501, 502, 504, 505, 507, 508, 511, *range(520, 527)]
ON_THE_WAY = {408, 425}


def status_faults():
    for status in BAD_REQUESTS:
        trouble = status in ON_THE_WAY
        read = f"{'ServerError' if trouble else CLASSES.get(status, 'Rejected')}({status})"
        yield fault(
            "Statuses", f"{status} in KakaClo's words", acts.instead(status, acts.envelope(status)),
            read=read, write=IN_DOUBT if trouble else read, passes=trouble, effect=False,
        )  # fmt: skip
        yield fault(
            "Statuses", f"{status} with a page of HTML", acts.instead(status, HTML, kind="text/html"),
            read=read, write=IN_DOUBT, passes=trouble, effect=False,
        )  # fmt: skip
    for status in BROKEN_SERVERS:
        for words, content, kind in (
            ("in KakaClo's words", acts.envelope(status), "application/json"),
            ("with a page of HTML", HTML, "text/html"),
        ):
            yield fault(
                "Statuses", f"{status} {words}", acts.instead(status, content, kind=kind),
                read=f"ServerError({status})", write=IN_DOUBT, passes=status != 501, effect=False,
            )  # fmt: skip
    yield fault(
        "Statuses",
        "204 without a body",
        acts.instead(204),
        read="APIError(204)",
        write=IN_DOUBT,
        effect=False,
    )
    yield fault(
        "Statuses", "a business error under 200", acts.instead(200, acts.envelope(50001)),
        read="Rejected(200, code=50001)", write="Rejected(200, code=50001)",
    )  # fmt: skip
    for status in (301, 302, 303, 307, 308):

        async def act(exchange, status=status):
            where = f"Location: http://127.0.0.1:{exchange.world.elsewhere}/openapi{exchange.path}"
            await exchange.answer(status, b"", headers=(where,))

        yield fault(
            "Redirects",
            f"{status} to another host",
            act,
            read=f"APIError({status})",
            write=IN_DOUBT,
            effect=False,
            place=places.Elsewhere,
        )


PAUSES = {
    "no Retry-After": None,
    "Retry-After of 2 s": "2",
    "a negative Retry-After": "-5",
    "Retry-After of a year": "31536000",
    "a Retry-After date": formatdate(4_102_444_800, usegmt=True),
    "a past Retry-After date": "Fri, 31 Dec 1999 23:59:59 GMT",
    "a Retry-After of words": "soon",
    "a Retry-After of 400 digits": "9" * 400,
    "a Retry-After that is NaN": "NaN",
}
LONG = {"Retry-After of a year", "a Retry-After date"}


def pause_faults():
    for status, name in ((429, "RateLimited"), (503, "ServerError")):
        for words, value in PAUSES.items():
            headers = () if value is None else (f"Retry-After: {value}",)
            error = "DeadlineExceeded(retry_in)" if words in LONG else f"{name}({status})"
            yield fault(
                "Pauses", f"{status} with {words}", acts.instead(status, acts.envelope(status), headers=headers),
                read=("DeadlineExceeded(retry_in)", error) if status == 429 else error,
                write=("DeadlineExceeded(retry_in)", error) if status == 429 else IN_DOUBT, passes=True, effect=False,
            )  # fmt: skip


def connection_faults():
    group = "Connections"
    lost = {"read": NO_ANSWER, "write": IN_DOUBT, "passes": True}
    late = lost | {"read": "DeadlineExceeded"}
    never = {"read": NOT_SENT, "write": NOT_SENT, "passes": True, "keeps_in": True}
    stuck = dict.fromkeys(("read", "write"), "DeadlineExceeded") | {"passes": True, "keeps_in": True}
    yield fault(group, "connections are refused", None, place=places.Refused, **never)
    yield fault(group, "the name is not known", None, place=places.Name, **never)
    look_up = {"place": places.HangingName, "goes_on": "_resolve_host_with_throttle"}
    yield fault(group, "the look-up of the name hangs", None, **stuck, **look_up)
    yield fault(group, "a self-signed certificate", places.self_signed, place=places.Certificate, **never)
    yield fault(group, "a certificate for another host", places.wrong_host, place=places.Certificate, **never)
    yield fault(group, "an expired certificate", places.expired, place=places.Certificate, **never)
    yield fault(group, "a reset before the request takes effect", acts.reset_before, effect=False, **lost)
    yield fault(group, "a reset after the request took effect", acts.reset_after, **lost)
    yield fault(group, "the connection is closed without an answer", acts.close_at_once, effect=False, **lost)
    yield fault(group, "silence", acts.silence, **late)
    yield fault(group, "headers that come byte by byte", acts.slow_headers, **late)
    yield fault(group, "a body that comes byte by byte", acts.slow_body, **late)
    yield fault(group, "an answer that is no HTTP", acts.no_http, **lost)
    yield fault(group, "the head breaks off", acts.cut_head, **lost)
    yield fault(group, "the body breaks off before its Content-Length", acts.cut_body, **lost)
    yield fault(group, "the body breaks off within a chunk", acts.cut_chunks, **lost)
    yield fault(group, "the last chunk never comes", acts.missing_last_chunk, **lost)
    yield fault(
        group, "the body breaks off where nothing tells its length", acts.cut_without_length, **UNREADABLE
    )
    for name, act in (
        ("the kept connections are half-open, and swallow requests", acts.swallow_on_kept),
        ("the kept connections are closed at their next request", acts.close_kept),
        ("each connection is closed after its answer", acts.close_after_answer),
    ):
        yield fault(group, name, act, read=RESULT, write=RESULT, place=places.Kept)


def token_faults():
    group, bad = "Tokens", {"place": places.Token}
    wrong = {"read": "ConfigurationError", "write": "ConfigurationError", "keeps_in": True}
    stuck = dict.fromkeys(("read", "write"), "DeadlineExceeded") | {"passes": True, "keeps_in": True}
    yield fault(group, "the token function hangs", acts.hang, **stuck, **bad)
    yield fault(group, "the token function fails", acts.fail, **wrong, **bad)
    yield fault(group, "the token function returns no text", acts.five, **wrong, **bad)
    yield fault(group, "the token function returns a token with a line break", acts.torn, **wrong, **bad)
    yield fault(
        group,
        "the token function returns a wrong token",
        acts.foreign,
        read="Unauthorized(401)",
        write="Unauthorized(401)",
        **bad,
    )


CHANGED = {"unknown fields everywhere"}
"""Where the rows that are read have more in `extra`."""

TYPICAL = {
    *(f"{status} {words}" for status in (400, 404, 408, 502) for words in ("in KakaClo's words", "with a page of HTML")),
    "204 without a body", "a business error under 200", "302 to another host",
    "429 with no Retry-After", "429 with Retry-After of a year", "503 with Retry-After of a year",
}  # fmt: skip
"""Of the answers by status, those that all operations meet; one of each kind stands for all with the others."""


FAULTS = {
    one.name: attrs.evolve(
        one,
        like_others=one.like_others
        or (one.group in {"Statuses", "Redirects", "Pauses"} and one.name not in TYPICAL),
    )
    for one in (
        *connection_faults(),
        *(fault("Bodies", name, act, **options) for name, act, options in BODIES),
        *status_faults(),
        *pause_faults(),
        *token_faults(),
    )
}

WAITED_FOR = ("ConnectionFailed", "DeadlineExceeded", "DecodeError", "RateLimited", "ServerError")
"""What `Mirror.follow` outlasts."""


def expected(fault, operation, scope="all"):
    """Return what an operation may end with when it meets a fault.

    Args:
        fault: it meets every request, or the writes alone.
        operation: of this kind.
        scope: "all" or "write".
    """
    reads_first = operation.reads_first and scope == "all"
    ends = fault.read if reads_first else fault.write
    match operation.kind:
        case "write" | "journal" if reads_first and RESULT in fault.read:
            return (*fault.read, *fault.write)
        case "journal" if scope == "write" and ends == (IN_DOUBT,) and fault.effect:
            return (RESULT,)  # the search finds it
        case "journal" if RESULT in fault.read:
            return (*ends, RESULT)  # likewise, as far as its answers are read
        case "write" | "journal":
            return ends
        case "wait" if fault.passes:
            return ("DeadlineExceeded",)
        case "wait" if "NotFound(200)" in fault.read:
            return (*fault.read, "DeadlineExceeded")  # what is not known yet may show up
        case "follow" if fault.read[0].startswith(WAITED_FOR):
            return (RESULT,)
        case "fan-out":
            return (*fault.read, *(f"{RESULT} that holds {error}" for error in fault.read))
        case "settle" if fault.place in (places.Name, places.HangingName):
            return (*fault.read, RESULT)  # a name that was looked up is known for some seconds
        case _:
            return fault.read
