# SPDX-License-Identifier: GPL-3.0-or-later
"""The same questions to every provider, the offline one included; a new one is asked them by itself."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from blender_image_to_3d import errors, providers
from blender_image_to_3d.errors import BadOption, GenerationFailed, ImageTo3DError
from blender_image_to_3d.jobs import request, unattended, worker
from blender_image_to_3d.jobs.library import JobFolder, Library
from blender_image_to_3d.mesh.formats import Format
from blender_image_to_3d.models import Job, Start, View
from blender_image_to_3d.pictures.facts import PictureFormat
from blender_image_to_3d.providers.describe import provider_facts

from ..conftest import HANGS_SECONDS, KEY, LITTLE_SECONDS, User
from ..fakes.servers.loopback import Answer, Exchange
from ..jobs.test_worker import option, state, wait_for, worker_pids
from ..services import ERRORS, FOR_EVER, SERVICES, Documented, Gate, Service, files_with

ALL = providers.ids()
ONLINE = [name for name in ALL if providers.info(name).base_url]
OFFLINE = [name for name in ALL if name not in ONLINE]
WITH_KEY = [name for name in ALL if providers.info(name).needs_key]
MODELS_OF_ALL = [(name, model) for name in ALL for model in providers.info(name).models or (None,)]
ENOUGH_SECONDS = 60.0
"""The patience of who gets a model."""


@cache
def phases(provider: str) -> list[str]:
    """The phases of a job at a fake; none where there is no fake, of which another test complains."""
    if provider not in SERVICES:
        return []
    nobody = User(Path(), Path(), {})
    with SERVICES[provider](nobody) as service:
        return service.phases


PHASES = [(name, phase) for name in ONLINE for phase in phases(name)]


def cases(*found: Any) -> list[Any]:
    """The provider comes first in each. Those of one service, and what needs none, are enough in the other Pythons."""
    rows = [each if isinstance(each, tuple) else (each,) for each in found]
    marks = {"modelslab": [pytest.mark.everywhere], "offline_shape": [pytest.mark.everywhere]}
    return [pytest.param(*row, marks=marks.get(row[0], [])) for row in rows]


@pytest.fixture
def service(user: User, provider: str) -> Iterator[Service]:
    if provider not in SERVICES:
        pytest.fail(f'"{provider}" has no fake: SERVICES in tests/services.py must have one, or nobody tests it')
    with SERVICES[provider](user) as running:
        yield running


def made(user: User, provider: str) -> list[Path]:
    """The files of the results."""
    return [path for path in user.library.glob("*/result/*") if path.name != "finished.json"]


# What is said of a provider before anything is sent.


@pytest.mark.parametrize("provider", ONLINE)
def test_every_provider_that_sends_anything_has_a_fake(provider: str) -> None:
    assert provider in SERVICES, f'SERVICES in tests/services.py must have a fake of "{provider}"'
    assert provider in ERRORS, f'ERRORS in tests/services.py must have the errors that "{provider}" documents'


@pytest.fixture(scope="module")
def told(staged: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `providers --json` says, by provider."""
    answer = User(staged, tmp_path_factory.mktemp("home")).run("providers", "--json")
    assert answer.status == 0, answer.errors
    return {line["id"]: line for line in answer.lines}


@pytest.mark.parametrize("provider", ALL)
def test_all_is_told_that_one_has_to_know(told: dict[str, dict[str, Any]], provider: str) -> None:
    facts, info = told[provider], providers.info(provider)
    assert facts.items() >= json.loads(json.dumps(provider_facts(providers.get(provider)))).items()
    assert facts["label"] and re.fullmatch(r"[^\n]+\.", facts["summary"])
    assert facts["views"][0] == "front" and set(facts["views"]) <= set(View)
    assert facts["picture_formats"] and set(facts["picture_formats"]) <= {each.value for each in PictureFormat}
    known = {kind.suffix.lstrip(".") for kind in Format if kind.is_mesh}
    assert facts["result_formats"] and set(facts["result_formats"]) <= known
    assert facts["max_picture_bytes"] is None or facts["max_picture_bytes"] > 100_000
    for name in ("paid", "resumable", "cancellable", "needs_key"):
        assert isinstance(facts[name], bool)
    assert (facts["base_url"] is None) == (facts["url_variable"] is None)
    if facts["base_url"]:
        assert facts["url_variable"] == f"IMAGE_TO_3D_{provider.upper()}_URL"
    assert facts["needs_key"] == bool(facts["key_variables"])
    if facts["needs_key"]:
        assert facts["key_url"].startswith("https://")
        assert facts["key_variables"][0] == f"IMAGE_TO_3D_{provider.upper()}_KEY"
    assert set(facts["by_model"]) == set(facts["views_by_model"]) == set(info.models)
    if info.models:
        assert facts["options"] == facts["by_model"][info.models[0]], "the first model is the default"


# Words of the services' machinery: they may stand in brackets, behind what they mean.
JARGON = re.compile(
    r"(?i)\b(latent|sparse|octree|inference|diffusion|denois\w+|cfg|voxels?|sdf|slat|polycount|mesh_\w+)\b"
)


@pytest.mark.parametrize(("provider", "model"), cases(*MODELS_OF_ALL))
def test_every_option_can_be_understood_by_who_reads_it(
    told: dict[str, dict[str, Any]], provider: str, model: str | None
) -> None:
    facts = told[provider]
    options = facts["by_model"][model] if model else facts["options"]
    assert [each["name"] for each in options] == list(providers.get(provider).options_of(model).model_fields)
    assert len({each["label"] for each in options}) == len(options)
    for each in options:
        description = each["description"]
        assert re.fullmatch(r"[A-Z0-9][^\n]{8,118}[^.\s]", description), each
        assert not JARGON.search(re.sub(r"\([^)]*\)", "", description)), f"explain it: {each}"
        assert re.fullmatch(r"[A-Z0-9][^.\n]{1,28}[^.\s]", each["label"]), each
        assert each["type"] in {"integer", "number", "boolean", "string"}
        if each["type"] in {"integer", "number"}:
            assert each["minimum"] is not None and each["maximum"] is not None, f"no range: {each}"
            assert each["minimum"] <= each["default"] <= each["maximum"]
        if each["choices"]:
            assert each["default"] in each["choices"]


@pytest.mark.parametrize(("provider", "model"), cases(*MODELS_OF_ALL))
def test_defaults_are_valid_and_complete(provider: str, model: str | None) -> None:
    chosen = providers.get(provider)
    facts = provider_facts(chosen)
    options = facts["by_model"][model] if model else facts["options"]
    name, defaults = chosen.validate(model, {}, (View.FRONT,))
    assert name == model
    assert defaults == {each["name"]: each["default"] for each in options}
    as_text = {name: "" if value is None else str(value) for name, value in defaults.items()}
    assert chosen.validate(model, as_text, (View.FRONT,)) == (name, defaults), "as the command line has it"


@pytest.mark.parametrize(("provider", "model"), cases(*MODELS_OF_ALL))
def test_what_does_not_fit_is_said_in_a_sentence(provider: str, model: str | None) -> None:
    chosen = providers.get(provider)
    facts = provider_facts(chosen)
    wrong: dict[str, list[Any]] = {"no_such_option": [1]}
    for each in facts["by_model"][model] if model else facts["options"]:
        match each["type"]:
            case "integer" | "number":
                wrong[each["name"]] = [each["minimum"] - 1, each["maximum"] + 1, "many", "nan", "inf", ""]
            case "boolean":
                wrong[each["name"]] = ["maybe", 7]
            case _ if each["choices"]:
                wrong[each["name"]] = ["no such choice"]
    for name, value in ((name, value) for name, values in wrong.items() for value in values):
        with pytest.raises(BadOption) as found:
            chosen.validate(model, {name: value}, (View.FRONT,))
        assert name in str(found.value) and is_a_sentence(str(found.value)), (name, value)


# Keys.


@pytest.mark.parametrize("provider", WITH_KEY)
def test_a_missing_key_is_said_before_any_request(user: User, cup: Path, service: Service, provider: str) -> None:
    info = providers.info(provider)
    for name in info.all_key_variables:
        user.environment.pop(name, None)
    answer = user.run("generate", cup, *service.words)
    assert answer.status == 3
    assert info.label in answer.errors and info.all_key_variables[0] in answer.errors
    assert info.key_url and info.key_url in answer.errors
    assert service.server.seen == [] and not user.library.exists()


@pytest.mark.parametrize("provider", WITH_KEY)
def test_a_wrong_key_costs_nothing(user: User, cup: Path, service: Service, provider: str) -> None:
    wrong = "sk-somebody-elses-9876543210"
    for name in providers.info(provider).all_key_variables:
        user.environment.pop(name, None)
    user.environment[providers.info(provider).all_key_variables[0]] = wrong
    answer = user.run("generate", cup, *service.words, "--json")
    assert answer.status == 3
    (job,) = user.jobs()
    assert (job["problem"]["kind"], job["problem"]["charged"], job["state"]) == ("KeyRefused", "no", "failed")
    assert service.purchases() == 0
    assert files_with(user, wrong) == [] and wrong not in answer.output + answer.errors


@pytest.mark.parametrize("provider", [name for name in ALL if name not in WITH_KEY])
def test_who_needs_no_key_asks_for_none(user: User, cup: Path, provider: str) -> None:
    if provider in OFFLINE:
        assert user.run("generate", cup, "--provider", provider).status == 0
        return
    with SERVICES[provider](user):
        assert user.run("generate", cup, "--provider", provider).status == 0


@pytest.mark.parametrize("provider", cases(*ONLINE))
def test_the_key_is_only_where_it_must_be(user: User, cup: Path, service: Service, provider: str) -> None:
    """Not in an argument, not in the worker's environment, in no file, in no answer; nor is anybody else's key."""
    user.starts_anew = True
    others = {name: f"sk-of-{name}" for each in WITH_KEY for name in providers.info(each).all_key_variables}
    own = providers.info(provider).all_key_variables
    user.environment |= {name: key for name, key in others.items() if name not in own}
    gate = Gate(service, phases(provider)[-1])
    command = user.start("generate", cup, *service.words, "--json")
    gate.wait()
    (pid,) = worker_pids(user)
    arguments = [each.read_bytes() for each in arguments_of(user)]
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    gate.let_through()
    output, said = command.communicate(timeout=HANGS_SECONDS)
    assert command.returncode == 0, said
    assert len(arguments) == 2 and not [each for each in arguments if KEY.encode() in each]
    assert b"HOME=" in environment
    for key in (KEY, *others.values()):
        assert key.encode() not in environment
        assert files_with(user, key) == [] and key not in output + said
    assert service.complaints() == []


def arguments_of(user: User) -> Iterator[Path]:
    """The files with the arguments of a user's processes."""
    mark = f"HOME={user.home}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield folder / "cmdline"


def echo_message(exchange: Exchange) -> None:
    exchange.json({"status": "error", "message": f"The key {KEY} is no good", "error": KEY, "errorCode": KEY}, 400)


def echo_fields(exchange: Exchange) -> None:
    names = ("status", "detail", "seed", "eta", "aiRecord", "asset", "message", "output", "data")
    exchange.json(dict.fromkeys(names, f"my-{KEY}"))


def echo_page(exchange: Exchange) -> None:
    page = f"<html><head><title>Wrong key {KEY}</title></head><body><p>key={KEY}</p></body></html>"
    exchange.reply(200, page.encode(), content_type="text/html")


def echo_page_of_error(exchange: Exchange) -> None:
    exchange.reply(500, f"<html><body>{KEY}</body></html>".encode(), content_type="text/html")


def echo_redirect(exchange: Exchange) -> None:
    exchange.reply(302, location=f"http://169.254.169.254/{KEY}/?key={KEY}")


def echo_redirect_to_nowhere(exchange: Exchange) -> None:
    exchange.reply(307, location=f"https://{KEY}.invalid/?key={KEY}")


ECHOES = (echo_message, echo_fields, echo_page, echo_page_of_error, echo_redirect, echo_redirect_to_nowhere)


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize(("provider", "phase"), cases(*[each for each in PHASES if each[0] in WITH_KEY]))
def test_a_key_that_the_service_says_back_is_not_passed_on(
    user: User, cup: Path, service: Service, provider: str, phase: str, echo: Answer
) -> None:
    """By the worker itself, whose standard error is the log. Only what was sold is kept as it came."""
    service.fail(phase, echo, times=FOR_EVER)
    folder = new_job(user, service, cup)
    start = Start(key=KEY, base_url=service.base_url, patience_seconds=LITTLE_SECONDS)
    done = user.run("worker", folder.path, says=start.model_dump_json() + "\n")
    job = folder.load()
    assert job.problem is not None and is_a_sentence(job.problem.message), done.errors
    assert "stopped:" in done.errors and "Traceback" not in done.errors, done.errors
    assert KEY not in done.output + done.errors
    assert [path for path in files_with(user, KEY) if path.parent.name != "rejected"] == []


# In this process, which is quicker: one worker's way through a job.


def new_job(user: User, service: Service, picture: Path, **options: object) -> JobFolder:
    draft = request.draft({View.FRONT: picture}, provider=service.provider, options=options)
    return draft.create(Library(user.library))


def work(service: Service, folder: JobFolder, *, patience_seconds: float = ENOUGH_SECONDS) -> Job:
    key = KEY if providers.info(service.provider).needs_key else None
    start = Start(key=key, base_url=service.base_url, patience_seconds=patience_seconds)
    with folder.claim() as claim:
        return worker.work(folder, claim, start)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither service nor disk is waited for: nobody here cuts the power."""
    monkeypatch.setattr(worker, "SHORTEST_POLL_SECONDS", 0.05)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def is_a_sentence(text: str) -> bool:
    """It begins and ends as one, and says nothing that only a programmer understands."""
    is_technical = re.search(
        r"Traceback|Unexpected|[a-z]Error\b|Exception|validation|pydantic|\bNone\b|<class|0x", text
    )
    return bool(re.match(r"[A-Z0-9\"]", text)) and text.endswith((".", "!", "?")) and not is_technical


# Errors that the services document.


@pytest.mark.parametrize(
    ("provider", "documented"),
    [pytest.param(name, each, id=f"{name}-{each.name}") for name in ERRORS for each in ERRORS[name]],
)
@pytest.mark.usefixtures("quick")
def test_every_documented_error_means_what_it_says(
    user: User, cup: Path, service: Service, provider: str, documented: Documented
) -> None:
    documented.script(service.server)
    patience = LITTLE_SECONDS if documented.kind == "Stalled" else ENOUGH_SECONDS
    job = work(service, new_job(user, service, cup), patience_seconds=patience)
    problem = job.problem
    assert problem is not None and is_a_sentence(problem.message)
    assert (problem.kind, problem.exit_status, problem.charged) == (
        documented.kind,
        documented.exit_status,
        documented.charged,
    ), problem
    assert problem.exit_status == getattr(errors, problem.kind).exit_status
    assert job.state == ("unknown" if documented.kind == "OutcomeUnknown" else "failed")
    assert service.posts == 1, "nothing is sent twice by itself"
    assert service.complaints() == []


# Answers that nobody documented.

NAMES = (
    *("status", "id", "uid", "uuid", "output", "proxy_links", "future_links", "extra_assets", "meta", "eta"),
    *("generationTime", "fetch_result", "message", "messege", "error", "errorCode", "code", "detail", "details"),
    *("aiRecord", "temporaryUrl", "teamUser", "aiRecordDetail", "asset", "fileContent", "data", "model_mesh"),
    *("model_glb", "model_urls", "seed", "model_base64", "statusCode", "retry_after"),
)
DEEP = 3000
STRANGE: dict[str, bytes] = {
    "nothing": b"",
    "object": b"{}",
    "list": b"[]",
    "text": b'"x"',
    "number": b"7",
    "null": b"null",
    "true": b"true",
    "NaN": b"NaN",
    "half": b'{"status": "succ',
    "banana": b'{"status": "banana"}',
    "objects": b'[{"status": "success"}]',
    "no text": b'{"status": "\xff\xfe"}',
    "deep list": b"[" * DEEP + b"]" * DEEP,
    "deep object": b'{"data":' * DEEP + b"7" + b"}" * DEEP,
    "deeper": b"[" * 200_000,
    **{
        f"all {json.dumps(value)}": json.dumps(dict.fromkeys(NAMES, value)).encode()
        for value in (None, [], {}, 7, -1.5, "", "x", True, [None], [{}], {"a": {"b": []}}, {"status": ["x"]})
    },
    **{
        f"{status} {json.dumps(value)}": json.dumps({**dict.fromkeys(NAMES, value), "status": status}).encode()
        for status in ("success", "processing", "completed", "error")
        for value in (None, [], {}, 7, "x", [None])
    },
}


def strangely(body: bytes) -> Answer:
    return lambda exchange: exchange.reply(200, body, content_type="application/json")


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize(("provider", "phase"), cases(*[each for each in PHASES if each[1] != "download"]))
@pytest.mark.usefixtures("quick")
def test_an_answer_that_nobody_documented_is_said_to_be_one(
    user: User, cup: Path, service: Service, provider: str, phase: str, strange: str
) -> None:
    service.fail(phase, strangely(STRANGE[strange]))
    folder = new_job(user, service, cup)
    # Some have the form of an answer to a purchase; the service is then asked for something of which it knows nothing.
    job = work(service, folder, patience_seconds=LITTLE_SECONDS if phase == "buy" else ENOUGH_SECONDS)
    if job.state == "ready":
        assert phase == "ask" and service.purchases() == 1, "what nobody knows is taken for work in progress at most"
        return
    problem = job.problem
    assert problem is not None and is_a_sentence(problem.message), problem
    assert providers.info(provider).label.split()[0] in problem.message
    assert job.state in {"failed", "unknown"} and problem.exit_status == 1, problem
    before = service.posts
    if job.handle is not None and phase == "buy":
        assert (problem.kind, problem.charged) in {
            ("Stalled", "maybe"),
            ("Stalled", "no"),
            ("GenerationFailed", "maybe"),
        }
        return
    if phase == "upload":
        assert (problem.charged, job.state, before) == ("no", "failed", 0)
    elif phase == "buy" and service.is_paid and problem.charged == "no":
        assert _says_that_it_failed(STRANGE[strange]), "after a purchase, only the service knows that it was none"
    elif phase == "buy" and service.is_paid:
        with pytest.raises(errors.OutcomeUnknown):
            unattended.reopen(folder)
        assert (service.posts, before) == (1, 1)
        return
    elif phase == "ask" and job.handle is None:
        assert _says_that_it_failed(STRANGE[strange]), "only the service can give a job up"
        return
    if phase == "ask":
        assert problem.charged != ("no" if service.is_paid else "maybe")
    unattended.reopen(folder)
    assert work(service, folder).state == "ready"
    assert service.purchases() == 1
    assert service.posts == (before if phase == "ask" else before + 1)


def _says_that_it_failed(body: bytes) -> bool:
    return json.loads(body).get("status") == "error"


@pytest.mark.parametrize("odd", [None, "soon", "", [], [None], {}, {"a": 1}, -1, 1.5, True])
@pytest.mark.parametrize("provider", cases(*ONLINE))
@pytest.mark.usefixtures("quick")
def test_what_an_answer_need_not_say_may_be_of_any_type(
    user: User, cup: Path, service: Service, provider: str, odd: object
) -> None:
    """A model that was paid for is not lost because the service says "soon" where its documents have seconds."""

    def spoil(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: odd if name in service.spare else spoil(each) for name, each in value.items()}

    def look(exchange: Exchange) -> None:
        say = exchange.json
        exchange.json = lambda value, *more, **headers: say(  # type: ignore[method-assign]
            {**dict.fromkeys(service.spare, odd), **spoil(value)}, *more, **headers
        )

    service.watch(look)
    job = work(service, new_job(user, service, cup))
    assert job.state == "ready", job.problem
    assert service.purchases() == 1 and service.complaints() == []


# Another process, another day.


@pytest.mark.parametrize("provider", cases(*ONLINE))
def test_a_fresh_process_brings_the_model_with_nothing_but_the_journal_and_the_key(
    user: User, cup: Path, service: Service, provider: str, tmp_path: Path
) -> None:
    phase = "ask" if "ask" in service.phases else "download"
    gate = Gate(service, phase)
    command = user.start("generate", cup, *service.words)
    gate.wait()
    (job,) = user.jobs()
    assert job["handle"] is not None
    (pid,) = worker_pids(user)
    os.kill(pid, signal.SIGKILL)
    gate.let_through()
    command.communicate(timeout=HANGS_SECONDS)
    (stopped,) = user.jobs()
    assert stopped["handle"] == job["handle"] and stopped["state"] in {"running", "downloading"}
    info = providers.info(provider)
    key = {info.key_variables[0]: KEY} if info.needs_key else {}
    user.environment = {
        **key,
        info.url_variable: service.base_url,
        "IMAGE_TO_3D_LIBRARY": str(user.library),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    answer = user.run("jobs", "resume", job["id"])
    assert answer.status == 0, answer.errors
    assert state(user) == "ready" and made(user, provider)
    assert (service.purchases(), service.posts) == (1, 1)
    assert service.complaints() == []


@pytest.mark.parametrize("provider", ALL)
def test_who_cannot_be_asked_again_says_so(provider: str) -> None:
    chosen = providers.get(provider)
    if not chosen.info.cancellable:
        with pytest.raises(GenerationFailed) as found:
            chosen.cancel({}, None)  # type: ignore[arg-type]
        assert is_a_sentence(str(found.value))
    if provider in OFFLINE:
        with pytest.raises(GenerationFailed) as found:
            chosen.poll({}, None)  # type: ignore[arg-type]
        assert is_a_sentence(str(found.value)) and not chosen.info.resumable


class Died(BaseException):
    """In place of SIGKILL, at one certain line."""


@pytest.mark.parametrize("provider", ONLINE)
@pytest.mark.usefixtures("quick")
def test_a_worker_that_dies_before_it_says_ready_leaves_no_links(
    user: User, cup: Path, service: Service, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, save = new_job(user, service, cup), JobFolder.save

    def dying(folder: JobFolder, job: Job, **words: Any) -> Job:
        if job.state == "ready":
            raise Died
        return save(folder, job, **words)

    with monkeypatch.context() as dangerous, pytest.raises(Died):
        dangerous.setattr(JobFolder, "save", dying)
        work(service, folder)
    assert not (folder.path / "links.json").exists()
    assert work(service, folder).state == "ready"
    assert (service.purchases(), service.posts) == (1, 1)


@pytest.mark.parametrize("provider", ONLINE)
@pytest.mark.usefixtures("quick")
def test_whoever_finds_the_result_of_a_dead_worker_forgets_its_links(
    user: User, cup: Path, service: Service, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, save_links = new_job(user, service, cup), JobFolder.save_links
    links = folder.path / "links.json"

    def dying(folder: JobFolder, *words: Any, **more: Any) -> None:
        if folder.result.exists():
            raise Died
        save_links(folder, *words, **more)

    with monkeypatch.context() as dangerous, pytest.raises(Died):
        dangerous.setattr(JobFolder, "save_links", dying)
        work(service, folder)
    assert links.exists() == (provider != "hunyuan3d"), "that one has no links"
    assert work(service, folder).state == "ready" and not links.exists()
    assert (service.purchases(), service.posts) == (1, 1)


# Cancelling.


@pytest.mark.parametrize(("provider", "phase"), PHASES)
def test_cancelling_is_honest_in_every_phase(
    user: User, cup: Path, service: Service, provider: str, phase: str
) -> None:
    gate = Gate(service, phase)
    command = user.start("generate", cup, *service.words)
    gate.wait()
    job_id = user.jobs()[0]["id"]
    if phase in {"ask", "download"} and service.is_paid:
        # Quicker than to let `jobs cancel` lose its patience; the worker has noticed when it says so.
        (user.library / job_id / "stop").write_text("cancel")
        wait_for(lambda: "cannot be told to stop" in (user.library / job_id / "worker.log").read_text())
        gate.let_through()
    answer = user.run("jobs", "cancel", job_id, "--json")
    assert answer.status == 0
    (said,) = answer.lines
    gate.let_through()
    _, words = command.communicate(timeout=HANGS_SECONDS)
    (job,) = user.jobs()
    if phase == "upload" or not service.is_paid:
        assert (said["state"], job["state"], command.returncode) == ("cancelled", "cancelled", 130), words
        assert job["problem"]["charged"] == "no" and is_a_sentence(job["problem"]["message"])
        assert said["message"] == job["problem"]["message"]
        assert service.posts == (0 if phase == "upload" else 1)
    else:
        is_kept = "cannot be recalled" in said["message"] and "kept" in said["message"]
        assert is_kept if phase == "buy" else is_kept or (said["state"], said["message"]) == ("ready", "ready")
        assert (job["state"], command.returncode) == ("ready", 0), words
        assert (service.purchases(), service.posts) == (1, 1) and made(user, provider)


@pytest.mark.parametrize("provider", OFFLINE)
def test_cancelling_what_is_made_here(user: User, cup: Path, provider: str) -> None:
    command = user.start("generate", cup, "--provider", provider)
    wait_for(lambda: worker_pids(user) or command.poll() is not None)
    job = user.jobs()[0]["id"]
    assert user.run("jobs", "cancel", job).status == 0
    _, words = command.communicate(timeout=HANGS_SECONDS)
    if state(user) == "ready":  # it was quicker
        assert command.returncode == 0
        return
    assert (state(user), command.returncode) == ("cancelled", 130), words
    assert user.jobs()[0]["problem"]["charged"] == "no" and made(user, provider) == []


# What was written down is what was sent.

# Options that a service does not get, and why that is documented: the older Hunyuan3D takes no `remove_background`, and
# empty texts are left out at AI/ML API.
NOT_SENT = {"hunyuan3d": {"remove_background"}, "aimlapi": {"texture_prompt"}, "meshy": {"texture_prompt"}}
NEEDED = {"meshy": {"should_remesh": True}}
"""What makes sense of the numbers that are chosen."""


def far_from_default(provider: str, model: str | None) -> dict[str, Any]:
    """Every number at its other end."""
    facts = provider_facts(providers.get(provider))
    options = facts["by_model"][model] if model else facts["options"]
    numbers = [each for each in options if each["type"] in {"integer", "number"}]
    ends = {each["name"]: each["minimum" if each["default"] == each["maximum"] else "maximum"] for each in numbers}
    return {**ends, **NEEDED.get(provider, {})}


@pytest.mark.parametrize(("provider", "model"), [each for each in MODELS_OF_ALL if each[0] in ONLINE])
def test_the_request_that_was_journalled_is_the_request_that_was_sent(
    user: User, cup: Path, service: Service, provider: str, model: str | None
) -> None:
    found: list[tuple[str, str, bool, str]] = []

    def look(exchange: Exchange) -> None:
        (job,) = user.jobs()
        found.append((service.phase(exchange), job["state"], job["handle"] is not None, exchange.method))

    service.watch(look)
    chosen = far_from_default(provider, model)
    words = ["--model", model] if model else []
    answer = user.run("generate", cup, *service.words, *words, *option(**chosen))
    assert answer.status == 0, answer.errors
    (job,) = user.jobs()
    journalled, sent = job["request"]["options"], service.sent()
    assert chosen.items() <= journalled.items() and sent.items() <= journalled.items()
    assert set(journalled) - set(sent) <= NOT_SENT.get(provider, set())
    assert job["request"]["model"] == model
    digests = [hashlib.sha256(picture).hexdigest() for picture in service.pictures()]
    assert digests == [picture["sha256"] for picture in job["request"]["views"].values()]
    by_phase = {phase: {each[1:3] for each in found if each[0] == phase} for phase in service.phases}
    assert by_phase["buy"] == {("submitting", False)}
    assert by_phase.get("upload", {("queued", False)}) == {("queued", False)}
    assert by_phase.get("ask", {("running", True)}) == {("running", True)}
    assert by_phase.get("download", {("downloading", True)}) == {("downloading", True)}
    assert service.complaints() == []


HEADERS = {
    *("host", "connection", "user-agent", "accept-encoding", "content-type", "content-length", "range", "if-range"),
    *("authorization", "api-key"),
}
"""All that stands in the head of a request."""


@pytest.mark.parametrize("provider", cases(*ONLINE))
@pytest.mark.usefixtures("quick")
def test_a_service_does_not_learn_who_asks_and_what_the_picture_is_called(
    user: User, cup: Path, service: Service, provider: str
) -> None:
    picture = cup.rename(cup.with_name("aunt Klara's cup.png"))
    assert work(service, new_job(user, service, picture)).state == "ready"
    for seen in [*service.server.seen, *service.results.seen]:
        said = f"{seen.method} {seen.path} {seen.headers} ".encode() + seen.body
        assert b"Klara" not in said and user.home.name.encode() not in said
        assert seen.headers.keys() <= HEADERS
        assert seen.headers["user-agent"] == "blender-image-to-3d", "neither version nor system"


@pytest.mark.parametrize("provider", OFFLINE)
def test_offline_nothing_is_sent_and_the_journal_has_what_was_used(user: User, cup: Path, provider: str) -> None:
    assert user.run("generate", cup, "--provider", provider).status == 0
    (job,) = user.jobs()
    _, defaults = providers.get(provider).validate(None, {}, (View.FRONT,))
    assert job["request"]["options"] == defaults and job["handle"] is None
    assert job["request"]["views"]["front"]["sha256"] == hashlib.sha256(cup.read_bytes()).hexdigest()


def test_the_words_of_a_sentence_are_known() -> None:
    """The other tests trust this."""
    assert is_a_sentence('ModelsLab says: "No credit".')
    for text in ("Unexpected error: KeyError.", "KeyError: 'uuid'.", "1 validation error.", "no beginning.", "No end"):
        assert not is_a_sentence(text)
    assert isinstance(BadOption("x"), ImageTo3DError)
