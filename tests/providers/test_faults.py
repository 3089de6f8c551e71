# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that goes wrong between a service and us, through the real command line and the real worker.

Whatever happens, at most one request that costs money is sent; the job says rightly where it stands and whether money
was spent; and what was paid can still be had, or nothing is sent again before a person says so.

`MATRIX` has a row for each fault, and a column for each phase. Each fault meets every service, and every phase in which
it can occur, but not every service in every phase: the services share one client (`Http`), and `PLANS` lets each phase
of each service meet a good part of the faults. What is left out, and why:

- Every service is not met in every phase by every fault: PLANS says which combinations run. What is common to a phase
  is in `http/`, and test_http.py has its faults one by one; what is particular to a service (how its answers
  are read) is met by the unreadable answers in `purchase` or `asking`.
- Phases that a service does not have: AI/ML API has neither upload nor asking, Hunyuan3D neither upload nor download
  (its model comes inside the answer to a question, or to `/generate`, which test_hunyuan3d.py has).
- NOT_IN_PHASE and NOT_AT_SERVICE: phases and services in which one fault cannot occur.
- A certificate that is wrong, a name that is unknown and a port that is closed are the same in all phases that go to
  the service, as each request has a connection of its own: they are met by the first request of each service
  (`test_a_service_that_is_not_there`), and by a result elsewhere (the rows that begin with "a link").
- Clock jumps are met where a clock of the day is read: Retry-After as a date, and the times in job.json; a test holds
  that there is no other place. Everything else counts with time.monotonic. A clock that jumps under a running worker
  was tried with libfaketime 0.9.10, and left out: with it, time.sleep of Python 3.13 fails with EINVAL.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from blender_image_to_3d import providers

from ..conftest import KEY, User, draw_disc
from ..fakes.servers import loopback
from ..fakes.servers.loopback import Answer, Exchange, Server
from ..services import FOR_EVER, MODELS, SERVICES, Service, files_with

ENOUGH_SECONDS = 8.0
"""The patience of who gets a model in spite of the fault."""

LAB, MESH, AIML, ONE = "modelslab", "modelslab_instantmesh", "aimlapi", "one_min_ai"
MESHY, HUNYUAN = "meshy", "hunyuan3d"
UPLOAD, PURCHASE, ASKING, DOWNLOAD = "upload", "purchase", "asking", "download"
PHASES = (UPLOAD, PURCHASE, ASKING, DOWNLOAD)


# How a job may end.


@dataclass(frozen=True)
class End:
    """state and exit status; whether money was spent."""

    state: str
    status: int
    charged: str | None


READY = End("ready", 0, None)
UNSENT = End("failed", 4, "no")
"""Nothing was accepted."""
REFUSED = End("failed", 1, "no")
UNKNOWN = End("unknown", 1, "maybe")
SOLD = End("failed", 1, "yes")
"""The service says that it is made."""
OUT_OF_REACH = End("failed", 4, "maybe")
ODD = End("failed", 1, "maybe")
"""It was accepted, and what is said of it makes no sense."""
STUCK = End("failed", 4, "yes")
"""The result is there, and cannot be fetched now."""


# What goes wrong. A purchase is accepted, and billed, before its answer goes wrong.


def usual_reply(exchange: Exchange) -> bytes:
    """Return what the service would answer; a purchase is accepted by that."""
    wire, page = exchange.handler.wfile, io.BytesIO()
    exchange.handler.wfile = page
    try:
        exchange.server.usual(exchange)
    finally:
        exchange.handler.wfile = wire
    return page.getvalue()


def done_but(fault: Answer) -> Answer:
    """Let the service do what is asked for; only its answer goes wrong."""

    def answer(exchange: Exchange) -> None:
        usual_reply(exchange)
        fault(exchange)

    return answer


def rewritten(change: Callable[[bytes], bytes]) -> Answer:
    return lambda exchange: exchange.write(change(usual_reply(exchange)))


def slow_headers(exchange: Exchange) -> None:
    """The right answer; the first bytes of its head come one by one."""
    reply = usual_reply(exchange)
    for byte in reply[:30]:
        exchange.write(bytes([byte]))
        time.sleep(0.02)
    exchange.write(reply[30:])


def keys_twice(reply: bytes) -> bytes:
    """Every id stands twice in its object, the wrong one first."""
    head, _, body = reply.partition(b"\r\n\r\n")
    body = re.sub(rb'("(?:id|uid|uuid|requestId)"): ("[^"]+"|\d+)', rb'\1: "0", \1: \2', body)
    head = re.sub(rb"content-length: \d+", b"content-length: %d" % len(body), head)
    return head + b"\r\n\r\n" + body


def too_short_a_length(reply: bytes) -> bytes:
    return re.sub(rb"content-length: \d+", b"content-length: 5", reply)


class Expired:
    """The link that comes first has expired; others are good."""

    def __init__(self) -> None:
        self.first = ""

    def __call__(self, exchange: Exchange) -> None:
        self.first = self.first or exchange.path
        (loopback.status(403) if exchange.path == self.first else exchange.server.usual)(exchange)


@dataclass(frozen=True)
class Row:
    """A fault, and how a job ends that meets it in each phase."""

    answer: Callable[[Service], Answer]
    plan: str
    upload: End | None = READY
    purchase: End | None = UNKNOWN
    asking: End | None = READY
    download: End | None = READY
    at: dict[tuple[str, str], End] = field(default_factory=dict)
    """Where a service does differently in a phase."""
    free: End = UNSENT
    """In place of `purchase`, where it costs nothing."""
    times: int = 1
    patience: float = 2.0
    refusals: int = 0
    """How often a purchase is put off by an answer that is not billed."""

    def end(self, phase: str, service: str) -> End:
        if (phase, service) in self.at:
            return self.at[phase, service]
        is_paid = providers.info(service).paid
        end: End = getattr(self, phase) if is_paid or phase != PURCHASE else self.free
        return End(end.state, end.status, "no") if end.charged and not is_paid else end


PLANS: dict[str, dict[str, tuple[str, ...]]] = {
    "A": {UPLOAD: (LAB,), PURCHASE: (AIML, MESH), ASKING: (HUNYUAN, MESHY), DOWNLOAD: (ONE,)},
    "B": {UPLOAD: (ONE,), PURCHASE: (LAB, HUNYUAN), ASKING: (MESH,), DOWNLOAD: (AIML, MESHY)},
    "C": {UPLOAD: (MESH,), PURCHASE: (ONE, AIML), ASKING: (HUNYUAN,), DOWNLOAD: (LAB, MESHY)},
    "D": {UPLOAD: (), PURCHASE: (AIML, HUNYUAN, MESHY), ASKING: (ONE, LAB), DOWNLOAD: (MESH,)},
}
"""Which services a fault meets in which phase; one that stands nowhere in it meets every fault in every phase."""


def _always(answer: Answer) -> Callable[[Service], Answer]:
    return lambda service: answer


def _unreadable(answer: Answer, plan: str, **more: Any) -> Row:
    """An answer that has come whole and makes no sense."""
    words: dict[str, Any] = {
        "upload": REFUSED,
        "asking": ODD,
        "download": SOLD,
        "free": REFUSED,
        "times": FOR_EVER,
    } | more
    return Row(_always(done_but(answer)), plan, **words)


def _redirect(location: str, plan: str) -> Row:
    words: dict[str, Any] = {"upload": REFUSED, "purchase": REFUSED, "asking": ODD, "download": SOLD}
    return Row(_always(loopback.redirect(location)), plan, **words, free=REFUSED, times=FOR_EVER)


AIML_SOLD = {(PURCHASE, AIML): SOLD}
"""What it answers with 200 was made, and billed."""


def _at_work(service: Service) -> Answer:
    return lambda exchange: exchange.json(service.at_work)


def _empty(service: Service) -> Answer:
    return lambda exchange: exchange.json(service.empty)


MATRIX: dict[str, Row] = {
    "reset before the request": Row(_always(loopback.reset_before), "A"),
    "reset after the request": Row(_always(done_but(loopback.reset_after)), "B"),
    "hang up": Row(_always(done_but(loopback.hang_up)), "C"),
    "silence": Row(_always(done_but(loopback.silence)), "D", patience=4),
    "slow headers": Row(_always(slow_headers), "A", purchase=READY, free=READY, patience=8),
    "a byte a moment": Row(_always(done_but(loopback.one_byte_a_moment)), "B", patience=4),
    "truncated body": Row(_always(rewritten(lambda reply: reply[:-9])), "C"),
    "wrong length": Row(
        _always(rewritten(too_short_a_length)),
        "A",
        upload=REFUSED,
        asking=ODD,
        download=SOLD,
        times=FOR_EVER,
    ),
    "gzip bomb": _unreadable(loopback.gzip_bomb, "A", patience=4, at=AIML_SOLD),
    "10 MB of JSON": _unreadable(loopback.large_json, "B", free=UNSENT),
    "10 MB of JSON for whom files come in JSON": _unreadable(loopback.large_json, "E", free=UNSENT, at=AIML_SOLD),
    "HTML with 200": _unreadable(loopback.html, "A"),
    "HTML with 200, elsewhere": _unreadable(loopback.html, "E"),
    "JSON null": _unreadable(loopback.null, "C"),
    "wrong types": _unreadable(loopback.wrong_types, "B"),
    "wrong types, elsewhere": _unreadable(loopback.wrong_types, "E", at=AIML_SOLD),
    "redirect loop": _redirect("/again", "A"),
    "redirect to file": _redirect("file:///etc/passwd", "B"),
    "redirect to a private address": _redirect("https://169.254.169.254/latest", "C"),
    "ids that stand twice": Row(
        _always(rewritten(keys_twice)), "A", purchase=READY, free=READY, download=None, times=FOR_EVER, patience=8
    ),
    "429 with a hint": Row(
        _always(loopback.status(429, retry_after="0.1")), "B", purchase=READY, free=READY, patience=8, refusals=1
    ),
    "429 without a hint": Row(
        _always(loopback.status(429)), "C", purchase=READY, free=READY, times=2, patience=8, refusals=2
    ),
    "429 for an hour": Row(
        _always(loopback.status(429, retry_after="3600")),
        "D",
        purchase=UNSENT,
        asking=OUT_OF_REACH,
        download=STUCK,
        times=FOR_EVER,
    ),
    "500s that pass": Row(_always(loopback.status(500)), "A", times=2, patience=8),
    "500s that stay": Row(
        _always(loopback.status(503)),
        "B",
        upload=UNSENT,
        asking=OUT_OF_REACH,
        download=STUCK,
        times=FOR_EVER,
        patience=1,
    ),
    "an empty answer, then one": Row(_empty, "empty", upload=None, download=None, patience=8, at=dict(AIML_SOLD)),
    "processing for ever": Row(_at_work, "asks", upload=None, purchase=None, asking=ODD, download=None, times=FOR_EVER),
    "a link that expired, then a fresh one": Row(
        lambda service: Expired(),
        "files",
        upload=None,
        purchase=None,
        asking=None,
        at={(DOWNLOAD, AIML): SOLD},
        times=FOR_EVER,
        patience=8,
    ),
    "a link to a closed port": Row(
        lambda service: loopback.redirect(f"http://127.0.0.1:{loopback.refused_port()}/"),
        "files",
        upload=None,
        purchase=None,
        asking=None,
        download=STUCK,
        times=FOR_EVER,
        patience=1,
    ),
    "a link to an unknown name": Row(
        _always(loopback.redirect("https://no-such-host.invalid/model.glb")),
        "file",
        upload=None,
        purchase=None,
        asking=None,
        download=STUCK,
        times=FOR_EVER,
        patience=1,
    ),
}
PLANS |= {
    "empty": {PURCHASE: (AIML,), ASKING: (LAB, MESH, ONE, MESHY, HUNYUAN)},
    "asks": {ASKING: (LAB, MESH, ONE, MESHY, HUNYUAN)},
    "files": {DOWNLOAD: (LAB, MESH, AIML, ONE, MESHY)},
    "file": {DOWNLOAD: (LAB, ONE)},
    "E": {PURCHASE: (AIML,), ASKING: (ONE,)},
}

SAME_AS = {
    "10 MB of JSON for whom files come in JSON": "10 MB of JSON",
    "HTML with 200, elsewhere": "HTML with 200",
    "wrong types, elsewhere": "wrong types",
}

_ONLY_LINKS = "it is a property of the link to a result"
NOT_IN_PHASE: dict[str, dict[str, str]] = {
    "ids that stand twice": {DOWNLOAD: "a result is a file and has no id"},
    "an empty answer, then one": {
        UPLOAD: "an upload without an address is an answer that is not understood",
        DOWNLOAD: "an empty file is covered by the truncated ones",
    },
    "processing for ever": {
        UPLOAD: "an upload has no states",
        PURCHASE: "the answer to the purchase may say `processing`, as it does everywhere here",
        DOWNLOAD: "a file has no states",
    },
    "a link that expired, then a fresh one": dict.fromkeys((UPLOAD, PURCHASE, ASKING), _ONLY_LINKS),
    "a link to a closed port": dict.fromkeys((UPLOAD, PURCHASE, ASKING), _ONLY_LINKS),
    "a link to an unknown name": dict.fromkeys((UPLOAD, PURCHASE, ASKING), _ONLY_LINKS),
    "silence": {UPLOAD: "left to test_http.py, as it takes seconds"},
    "429 for an hour": {UPLOAD: "left to test_http.py: it ends as 500s that stay"},
}
_NO_QUESTION = "it cannot be asked; silence while it works is a row of its own"
_NO_LINK = "its model comes without a link"
_ALIKE = "its class is that of {}, and the fault does not come to what they do differently"
NOT_AT_SERVICE: dict[str, dict[str, str]] = {
    "processing for ever": {AIML: _NO_QUESTION},
    "a link that expired, then a fresh one": {HUNYUAN: _NO_LINK},
    "a link to a closed port": {HUNYUAN: _NO_LINK},
    "a link to an unknown name": {
        HUNYUAN: _NO_LINK,
        MESH: _ALIKE.format(LAB),
        MESHY: _ALIKE.format(ONE),
        AIML: "its download is that of one_min_ai; a closed port takes the same way",
    },
    "ids that stand twice": {ONE: "plan A meets it in its download only, which has no ids: see the scenario below"},
}


MATRIX["an empty answer, then one"].at.update({(ASKING, HUNYUAN): REFUSED, (ASKING, MESHY): SOLD})


# The matrix.


@pytest.fixture(autouse=True, scope="module")
def packed_bomb() -> None:
    """Packing it takes longer than a client with little patience waits."""
    loopback.bomb()


def new_services() -> Iterator[tuple[str, str]]:
    """Yield the services for which no plan was made yet, with each of their phases."""
    planned = {name for plan in PLANS.values() for names in plan.values() for name in names}
    for name in SERVICES.keys() - planned:
        with SERVICES[name](User(Path(), Path(), {})) as service:
            there = {UPLOAD: service.uploads, PURCHASE: service.buys, ASKING: service.asks, DOWNLOAD: service.has_links}
            yield from ((phase, name) for phase, is_there in there.items() if is_there)


def cells() -> Iterator[Any]:
    new = sorted(new_services())
    for fault, row in MATRIX.items():
        planned = [(phase, name) for phase, names in PLANS[row.plan].items() for name in names]
        for phase, service in [*planned, *(new if fault not in SAME_AS else ())]:
            if getattr(row, phase) is not None and phase not in NOT_IN_PHASE.get(fault, ()):
                yield pytest.param(fault, phase, service, id=f"{fault}-{phase}-{service}".replace(" ", "_"))


@contextlib.contextmanager
def running(user: User, name: str, patience: float) -> Iterator[Service]:
    """A service, and afterwards what must be true whatever happened."""
    user.environment["no_proxy"] = "*"
    user.have_patience(patience)
    with SERVICES[name](user) as service:
        yield service
        assert service.complaints() == []
        assert files_with(user, KEY) == []
        signed = [path for path in files_with(user, "X-Amz-Signature=") if path.name != "links.json"]
        assert signed == []


def check_words(text: str) -> None:
    for wrong in ("Traceback", KEY, "X-Amz-Signature", "Error(", "0x"):
        assert wrong not in text


def check_end(user: User, status: int, end: End) -> dict[str, Any]:
    (job,) = user.jobs()
    problem = job["problem"] or {"message": "Fine.", "charged": None}
    assert (job["state"], status, problem["charged"]) == (end.state, end.status, end.charged), problem
    assert not problem["message"][0].islower() and problem["message"].endswith("."), problem
    check_words(problem["message"])
    return dict(job)


def check_model(user: User, service: Service, number: int = 0) -> None:
    job = user.jobs()[number]
    kind = "obj" if service.provider == MESH else "glb"
    result = user.library / job["id"] / "result" / job["results"][0]["file"]
    assert job["state"] == "ready" and result.read_bytes() == MODELS[kind]


def check_nothing_is_lost(user: User, service: Service, job: dict[str, Any]) -> None:
    """Once nothing is wrong any more, what was bought comes; and what may have been is not bought again."""
    service.server.faults.clear()
    service.results.faults.clear()
    user.have_patience()
    posts, bought = service.posts, service.purchases()
    if job["state"] == "ready":
        check_model(user, service)
        assert bought == 1
        return
    again = user.run("jobs", "resume", job["id"])
    check_words(again.output + again.errors)
    if job["state"] == "unknown" or (job["problem"]["charged"] != "no" and not job["handle"]):
        assert again.status == 1 and "--again" in again.errors and service.posts == posts
        return
    assert again.status == 0, again.errors
    check_model(user, service)
    if job["handle"]:
        assert service.posts == posts, "it was accepted, and is only asked for"
    assert service.purchases() == 1 or not service.is_paid


@pytest.mark.parametrize(("fault", "phase", "name"), list(cells()))
def test_a_fault(user: User, cup: Path, fault: str, phase: str, name: str) -> None:
    row = MATRIX[fault]
    end = row.end(phase, name)
    with running(user, name, max(row.patience, ENOUGH_SECONDS) if end == READY else row.patience) as service:
        path = {UPLOAD: service.uploads, PURCHASE: service.buys, ASKING: service.asks, DOWNLOAD: "/"}[phase]
        assert path is not None, "this service has no such phase"
        (service.results if phase == DOWNLOAD else service.server).fail(path, row.answer(service), row.times)
        answer = user.run("generate", cup, *service.words)
        check_words(answer.output + answer.errors)
        job = check_end(user, answer.status, end)
        assert service.purchases() <= 1
        assert service.posts <= 1 + (row.refusals if phase == PURCHASE else 0)
        check_nothing_is_lost(user, service, job)


def test_every_fault_meets_every_service_and_every_phase() -> None:
    """Whoever adds a service, or a fault, says here where they meet, or why they do not."""
    ours = {name for name in providers.ids() if providers.info(name).base_url}
    assert ours == set(SERVICES), "a service without a fake"
    faults = set(MATRIX) - set(SAME_AS)
    met = {(SAME_AS.get(fault, fault), phase, service) for fault, phase, service in (each.values for each in cells())}
    said = {(fault, service) for fault, services in NOT_AT_SERVICE.items() for service in services}
    at_services = {(fault, service) for fault, _, service in met}
    assert set(itertools.product(faults, SERVICES)) == at_services | said and not at_services & said
    in_phases = {(fault, phase) for fault, phase, _ in met}
    left_out = {(fault, phase) for fault, phases in NOT_IN_PHASE.items() for phase in phases}
    assert set(itertools.product(faults, PHASES)) == in_phases | left_out
    assert not in_phases & left_out
    assert len(met) >= 60


# A service that is not there at all.


def _certificate(folder: Path, alternative: str) -> Path:
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    command = [*words.split(), f"subjectAltName={alternative}"]
    folder.mkdir()
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "nobody's": _certificate(folder / "nobody", "IP:127.0.0.1"),
        "another's": _certificate(folder / "another", "DNS:example.com"),
    }


def _encrypted(certificate: Path) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return Server(loopback.null, tls=context)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_is_not_there(user: User, cup: Path, name: str, certificates: dict[str, Path]) -> None:
    """Connection refused, unknown name, a certificate of nobody's, and one of another host, one after the other."""
    variable = f"IMAGE_TO_3D_{name.upper()}_URL"
    with (
        running(user, name, 0.5) as service,
        _encrypted(certificates["nobody's"]) as stranger,
        _encrypted(certificates["another's"]) as other,
    ):
        right = user.environment[variable]
        trusted = {"REQUESTS_CA_BUNDLE": str(certificates["another's"] / "cert.pem")}
        places: list[tuple[str, str, dict[str, str]]] = [
            (f"http://127.0.0.1:{loopback.refused_port()}", "refused", {}),
            ("https://no-such-host.invalid", "DNS", {}),
            (stranger.url, "certificate", {}),
            (other.url, "certificate", trusted),
        ]
        words: tuple[str | Path, ...] = ("generate", cup, *service.words)
        for url, says, more in places:
            user.environment |= {variable: url, **more}
            answer = user.run(*words)
            check_words(answer.output + answer.errors)
            job = check_end(user, answer.status, UNSENT)
            assert says in job["problem"]["message"]
            words = ("jobs", "resume", job["id"])
        assert stranger.seen == other.seen == service.server.seen == []
        user.environment[variable] = right
        check_nothing_is_lost(user, service, job)
        assert service.posts == service.purchases() == 1


@pytest.mark.parametrize("name", [LAB, ONE, AIML])
def test_a_result_behind_a_wrong_certificate(user: User, cup: Path, name: str, certificates: dict[str, Path]) -> None:
    with running(user, name, 2) as service, _encrypted(certificates["nobody's"]) as stranger:
        service.results.fail("/", loopback.redirect(f"{stranger.url}/model.glb"), FOR_EVER)
        answer = user.run("generate", cup, *service.words)
        job = check_end(user, answer.status, STUCK)
        assert stranger.seen == [] and "certificate" in job["problem"]["message"]
        check_nothing_is_lost(user, service, job)


# The same number for two jobs.


@pytest.mark.parametrize("name", SERVICES)
def test_two_jobs_with_the_same_id(user: User, cup: Path, tmp_path: Path, name: str) -> None:
    """The service answers the second purchase as it did the first."""
    said: list[bytes] = []

    def repeat_yourself(exchange: Exchange) -> None:
        said.append(usual_reply(exchange))
        exchange.write(said[0])

    with running(user, name, 8) as service:
        service.fail("buy", repeat_yourself, 2)
        ball = draw_disc(tmp_path / "ball.png", (20, 90, 200))
        for picture in (cup, ball):
            answer = user.run("generate", picture, *service.words)
            assert answer.status == 0, answer.errors
        check_model(user, service, 0)
        check_model(user, service, 1)
        assert service.posts == service.purchases() == 2


# Clocks.


@pytest.mark.parametrize(("name", "days"), [*((name, 4000) for name in SERVICES), (LAB, -4000), (AIML, -4000)])
def test_a_service_whose_clock_is_wrong(user: User, cup: Path, name: str, days: int) -> None:
    """It says the moment to come again, and means it by its own clock."""

    def busy(exchange: Exchange) -> None:
        now = time.time() + days * 86400
        dates = {"date": formatdate(now, usegmt=True), "retry_after": formatdate(now + 1, usegmt=True)}
        loopback.status(429, **dates)(exchange)

    with running(user, name, 8) as service:
        service.fail("buy", busy)
        answer = user.run("generate", cup, *service.words)
        job = check_end(user, answer.status, READY)
        assert service.posts == 2
        check_nothing_is_lost(user, service, job)


@pytest.mark.parametrize(("name", "year"), [(LAB, "1970"), (LAB, "2200"), (AIML, "1970"), (ONE, "2200")])
def test_a_job_from_another_time_is_resumed(user: User, cup: Path, name: str, year: str) -> None:
    with running(user, name, 1) as service:
        service.results.fail("/", loopback.status(500), FOR_EVER)
        answer = user.run("generate", cup, *service.words)
        job = check_end(user, answer.status, STUCK)
        moved = f"{year}-01-02T03:04:05Z"
        (user.library / job["id"] / "job.json").write_text(json.dumps({**job, "created": moved, "updated": moved}))
        check_nothing_is_lost(user, service, job)
        assert service.posts == 1


def test_nothing_else_reads_a_clock_of_the_day() -> None:
    package = Path(__file__).parents[2] / "blender_image_to_3d"
    modules = [*package.glob("jobs/*.py")]
    modules += [*package.glob("http/*.py"), *package.glob("providers/*.py")]
    readers = re.compile(r"time\.time\(|datetime\.(now|utcnow)|\bnow\(\)")
    found = {path.name: len(readers.findall(path.read_text())) for path in modules}
    assert {name: count for name, count in found.items() if count} == {"patience.py": 1}
