# SPDX-License-Identifier: GPL-3.0-or-later
"""One job, from QUEUED to READY. A plain program that knows nothing of Blender: ``… worker FOLDER``.

The parent hands over a `Start` as one line on standard input; if it dies before, the job stays QUEUED. What is
printed goes to the folder's worker.log.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO

from pydantic import JsonValue, ValidationError

# Everything a job may need is imported now: an upgrade of the add-on must not swap modules under a paid job.
from .. import providers
from ..errors import (
    BadResult,
    Cancelled,
    Charged,
    GenerationFailed,
    ImageTo3DError,
    JobBusy,
    OutcomeUnknown,
    Paused,
    ResultGone,
    Stalled,
    Stopped,
    StorageError,
)
from ..host import system
from ..http import Http, Limits, redacted, said
from ..mesh import formats, glb
from ..models import Job, JobState, Picture, Problem, ProviderInfo, Start, View
from ..pictures.handed_over import Prepared, Wanted, prepare
from ..providers.contract import Finished, Handle, Pending, Provider
from ..results.adopt import FINISHED
from .claims import LEASE_SECONDS, Claim, Lease
from .heartbeat import beating
from .library import JobFolder
from .recovery import ready, recovered

log = logging.getLogger(__name__)

SHORTEST_POLL_SECONDS = 0.25
POLL_SHARE = 0.04
"""Of the time that it takes so far: what asking too late costs stays small against what the service takes."""
LONGEST_POLL_SECONDS = 15.0
_STOP_CHECK_SECONDS = 0.1
_REPORT_SECONDS = 0.2
_MOST_EXPIRED_LINKS = 3
_ASK_OR_PAY = "It may have been charged. jobs resume {} asks once more, for nothing; --again sends (and pays) anew."
_HEAD_BYTES = 4096
_ROOM_BYTES = 64 * 2**20
"""Free disk without which nothing is bought: the result and the journal need it."""


def main(folder: JobFolder, start_line: IO[bytes]) -> int:
    """Work on one job until it is finished, has failed, or is stopped. Return the exit status."""
    line = start_line.readline()
    if not line.endswith(b"\n"):
        return Stopped.exit_status
    try:
        start = Start.model_validate_json(line)
    except ValidationError:  # its text would hold the key
        sys.stderr.write("The first line of standard input is not a start message.\n")
        return StorageError.exit_status
    _log_to_stderr(secrets=[start.key] if start.key else [])
    # Several workers share the cores, where OpenBLAS would only wait for itself. It reads this as numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        lease_seconds = start.lease_seconds or LEASE_SECONDS
        with folder.claim(take_over=start.take_over, lease_seconds=lease_seconds) as claim, beating(claim):
            job = work(folder, claim, start)
    except (JobBusy, StorageError) as error:
        log.error("%s", error)
        return error.exit_status
    return job.problem.exit_status if job.problem else 0


def work(folder: JobFolder, claim: Claim, start: Start) -> Job:
    """Take a claimed job as far as it goes, and return it as it was last written.

    Raises:
        JobBusy: another machine has taken it over.
        StorageError: not even the journal can be written.
    """
    job = folder.load()
    provider = providers.get(job.request.provider)
    job = folder.save(recovered(job, provider.info, folder, claim), claim=claim)
    if job.state.is_final:
        return job
    run = _Run(folder, claim, job, provider, start)
    try:
        return run.to_the_end()
    except ImageTo3DError as error:
        if run.has_kept and isinstance(error, StorageError):
            raise  # the result is in its place, where whoever comes next finds it
        return run.stopped_by(error)
    except OSError as error:
        log.exception("files")
        return run.stopped_by(StorageError(f"{folder.path} cannot be written: {system.explain(error)}."), is_sure=False)
    except Exception as error:  # the one place: whatever a provider does, the job must say so
        log.exception("unexpected")
        problem = ImageTo3DError(f"Unexpected error: {type(error).__name__}.", hint="The log of the job has details.")
        return run.stopped_by(problem, is_sure=False)


class _Run:
    """One worker's way through one job; it is the provider's `Context`."""

    def __init__(self, folder: JobFolder, claim: Claim, job: Job, provider: Provider, start: Start) -> None:
        self.folder = folder
        self.claim = claim
        self.job = job
        self.provider = provider
        self.key = start.key
        self.base_url = start.base_url or provider.info.base_url
        self.blender = start.blender
        self.result_folder = folder.path / f"result.{claim.token}~"
        self._patience_seconds = start.patience_seconds or provider.info.patience_seconds
        self._lease_seconds = start.lease_seconds or LEASE_SECONDS
        self.links = folder.load_links()
        self._expired_links = 0
        self._keeps_cancelled_result = False
        self._is_cancelling = False
        self._was_sent = False
        self.has_kept = False
        """The result is in its place; the journal need not say so yet."""
        self._written = job.updated
        self._next_report = 0.0

    def to_the_end(self) -> Job:
        """The whole road. Each line that costs or moves something is journalled before and after."""
        self._empty_result_folder()
        if self.base_url:
            _ = self.http  # it imports what the job needs later
        if self.job.handle is None:
            answer = self._submit()
        else:
            answer = self._poll(self.job.handle)
        started = news_came = time.monotonic()
        last_said: tuple[object, ...] = ()
        while isinstance(answer, Pending):
            self._journal_pending(answer)
            said = (answer.handle, answer.progress, answer.message, answer.is_made and answer.links)
            if said != last_said:
                last_said, news_came = said, time.monotonic()
            elif time.monotonic() - news_came > self._patience_seconds:
                raise self._stalled(answer)
            if not answer.is_made:
                self.wait(answer.poll_after_seconds or _poll_pause(time.monotonic() - started))
            answer = self._poll(answer.handle)
        return self._keep(answer)

    def _stalled(self, answer: Pending) -> Stalled:
        """Return the error for a service that accepted, and then says the same for ever."""
        said = f': "{answer.message}"' if answer.message else ""
        seconds = self._patience_seconds
        duration = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.3g} seconds"
        return Stalled(
            f"{self.provider.info.label} has said nothing new for {duration}{said}.",
            charged=Charged.MAYBE if self.provider.info.paid else Charged.NO,
        )

    def _submit(self) -> Pending | Finished:
        self._raise_if_stopped()
        self._prepare_pictures()
        self.links = {}
        self.folder.save_links({}, claim=self.claim)
        if not self.provider.info.paid:
            self._journal(state=JobState.SUBMITTING, problem=None)
        try:
            return self.provider.submit(self.job.request, self)
        except OSError as error:
            if not self._is_buying:
                raise
            # Nobody knows how far the request came.
            raise OutcomeUnknown(f"{self.provider.info.label}: {system.explain(error)}.") from error

    def _poll(self, handle: Handle) -> Pending | Finished:
        """Ask, or fetch. Where the links have expired the service is asked for new ones."""
        self._raise_if_stopped()
        try:
            return self.provider.poll(handle, self)
        except ResultGone as gone:
            if not (self.links and self.provider.info.resumable) or self._expired_links == _MOST_EXPIRED_LINKS:
                raise
            log.info("asking for new links: %s", gone)
        self._expired_links += 1
        self.links = {}
        self.wait(SHORTEST_POLL_SECONDS)
        return self._poll(handle)

    def _keep(self, finished: Finished) -> Job:
        """Check the files, and make them the job's result in one move."""
        for name in finished.files:
            system.sync_file(self.result_folder / name)
            _check_result_file(
                self.result_folder / name, charged=Charged.MAYBE if self.provider.info.paid else Charged.NO
            )
        system.write_atomically(self.result_folder / FINISHED, finished.model_dump_json().encode())
        self._hold()
        system.replace(self.result_folder, self.folder.result)
        self.has_kept = True
        log.info("ready: %s", ", ".join(finished.files))
        self.folder.save_links({}, claim=self.claim)  # before the job is ready, or nobody would come back to do it
        return self.folder.save(ready(self.job, finished, self.folder), claim=self.claim)

    def stopped_by(self, error: ImageTo3DError, *, is_sure: bool = True) -> Job:
        """Write down why the job goes no further, so that whoever looks next knows what to do.

        is_sure: the error is what happened to the request; else it says nothing of what became of it.
        """
        log.info("stopped: %s", error)
        self._put_away_results(error)
        if isinstance(error, Paused):
            state = JobState.QUEUED if self.job.state is JobState.SUBMITTING else self.job.state
            return self._journal(state=state, progress=None, message="Paused")
        problem = self._without_secrets(Problem.of(error))
        # A bad answer to a question is not the service's word on what was charged, nor on what it makes.
        is_last_word = isinstance(error, GenerationFailed) and not isinstance(error, BadResult)
        is_unknown = isinstance(error, OutcomeUnknown) or (self._is_buying and not is_sure)
        if is_unknown:
            problem = problem.evolve(charged=Charged.MAYBE, hint=OutcomeUnknown.default_hint)
        elif self._is_buying and isinstance(error, BadResult) and problem.charged is Charged.NO:
            problem = problem.evolve(charged=Charged.MAYBE)  # it was answered with something
        elif self._was_accepted and problem.charged is not Charged.YES and self.job.state is JobState.DOWNLOADING:
            problem = problem.evolve(charged=Charged.YES)
        elif self._was_accepted and problem.charged is Charged.NO and not is_last_word:
            problem = problem.evolve(charged=Charged.MAYBE)
        state = JobState.UNKNOWN if is_unknown else JobState.FAILED
        if isinstance(error, Cancelled):
            state = JobState.CANCELLED
        # After the last word, asking again only keeps the user from trying anew; what may have been paid is worth it.
        is_over = isinstance(error, Cancelled) or (is_last_word and problem.charged is not Charged.MAYBE)
        if is_last_word and not is_over and not problem.hint:
            problem = problem.evolve(hint=_ASK_OR_PAY.format(self.job.id))
        handle = None if is_over else self.job.handle
        return self._journal(state=state, handle=handle, problem=problem, progress=None, message="")

    def _without_secrets(self, problem: Problem) -> Problem:
        """Whoever quotes a service, or a file of its, may quote the key with it."""
        if not self.key:
            return problem
        return problem.evolve(message=redacted(problem.message, [self.key]), hint=redacted(problem.hint, [self.key]))

    # What a provider may use: see providers.contract.Context.

    @cached_property
    def http(self) -> Http:
        """Raises `BadOption`: the address that the user put in place of the service's own is none."""
        assert self.base_url is not None, "a provider that uses HTTP has a base URL"
        return Http(
            label=self.provider.info.label,
            base_url=self.base_url,
            key=self.key,
            is_paid=self.provider.info.paid,
            folder=self.result_folder,
            wait=self.wait,
            report=self.report,
            limits=Limits().within(self._patience_seconds),
            buy_answer_seconds=self._patience_seconds,
            before_buying=self.before_buying,
            not_bought=self.not_bought,
        )

    def before_buying(self) -> None:
        self._raise_if_stopped()
        if self.provider.info.paid:
            _check_room(self.folder.path)
        self._journal(state=JobState.SUBMITTING, problem=None)
        self._was_sent = True
        log.info("sending the request to %s", self.provider.info.label)

    def not_bought(self) -> None:
        self._journal(state=JobState.QUEUED)
        self._was_sent = False

    def picture(self, view: View) -> Path:
        return self.folder.path / self.job.request.views[view].file

    def note(self, text: str) -> None:
        # A worker that came earlier may have noted the same.
        self._journal(notes=tuple(dict.fromkeys((*self.job.notes, text))))

    def report(self, message: str, progress: float | None = None) -> None:
        self._raise_if_stopped()
        if time.monotonic() < self._next_report or (message, progress) == (self.job.message, self.job.progress):
            return
        self._next_report = time.monotonic() + _REPORT_SECONDS
        try:
            self._journal(durable=False, message=message, progress=progress)
        except StorageError as error:  # no reason to drop what is being made, or was paid for
            log.warning("%s", error)

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._raise_if_stopped()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _STOP_CHECK_SECONDS))
            self._raise_if_stopped()

    # The journal.

    def _journal(self, *, durable: bool = True, **changes: object) -> Job:
        self.job = self.job.evolve(**changes)  # first of all here: a full disk must not make us forget a handle
        try:
            self.folder.save(self.job, claim=self.claim, durable=durable)
        except JobBusy:
            self._regain()
            self.folder.save(self.job, claim=self.claim)
        self._written = self.job.updated
        return self.job

    def _save_links(self, links: dict[str, JsonValue]) -> None:
        try:
            self.folder.save_links(links, claim=self.claim)
        except JobBusy:
            self._regain()
            self.folder.save_links(links, claim=self.claim)

    def _hold(self) -> None:
        """Make sure that the job, and with it the place of its result, is still ours. Raises `JobBusy`."""
        try:
            self.claim.check()
        except JobBusy:
            self._regain()

    def _regain(self) -> None:
        """Claim the job again after this machine slept through its lease, if nobody but us knows what was bought.

        Whoever took it over first has to look at it, and let it go; or dies before.

        Raises:
            JobBusy: another machine has it, or had all that it needed to go on.
        """
        log.warning("another machine has taken the job over; the handle here is %s", self.job.handle)
        lease = Lease(self.folder.path, self._lease_seconds)
        while self._is_for_us_to_say():
            lease.end()
            if lease.host is None:
                with suppress(JobBusy):
                    self.claim.regain(self._is_for_us_to_say)
                    return
            time.sleep(_STOP_CHECK_SECONDS)
        self.claim.check()

    def _is_for_us_to_say(self) -> bool:
        """Whether the job still says that our request was on its way, or that nobody knows what became of it."""
        job = self.folder.load()
        is_ours = job.state is JobState.UNKNOWN or job.updated == self._written
        return self._was_sent and job.handle is None and is_ours

    def _journal_pending(self, answer: Pending) -> None:
        if self.job.handle is None:
            log.info("accepted")
        is_new = answer.handle != self.job.handle
        self.job = self.job.evolve(handle=answer.handle)  # as in `_journal`: whatever becomes of the links
        if answer.links != self.links:  # before the handle that needs them
            self.links = answer.links
            try:
                self._save_links(answer.links)
            except StorageError as error:  # no reason to forget the handle, or not to fetch what is made
                log.warning("%s", error)
        self._journal(
            durable=is_new,
            state=JobState.DOWNLOADING if answer.is_made else JobState.RUNNING,
            problem=None,
            **answer.model_dump(exclude={"poll_after_seconds", "links", "is_made"}),
        )

    # Stopping.

    def _raise_if_stopped(self) -> None:
        request = self.folder.stop_request()
        if request is None or self._is_buying or self._is_cancelling:
            return
        if request == "pause":
            raise Paused("Paused.", hint="Resume it when you like.")
        if self.job.handle is None:
            raise Cancelled("Cancelled, nothing was charged.")
        self._cancel_at_the_service(self.job.handle)

    @property
    def _is_buying(self) -> bool:
        """The request is on its way: stopping now would throw away the answer to what is being bought."""
        return self.provider.info.paid and self.job.state is JobState.SUBMITTING

    @property
    def _was_accepted(self) -> bool:
        return self.provider.info.paid and self.job.handle is not None

    def _cancel_at_the_service(self, handle: Handle) -> None:
        if self.provider.info.cancellable:
            self._is_cancelling = True  # the provider waits and reports while it cancels
            self.provider.cancel(handle, self)
            raise Cancelled("Cancelled at the service.", charged=Charged.MAYBE)
        if not self.provider.info.paid:
            raise Cancelled("Cancelled here; the service may still work on it, which costs nothing.")
        if not self._keeps_cancelled_result:
            self._keeps_cancelled_result = True
            log.info("the service cannot be told to stop; the result will be kept when it arrives")

    # Pictures and files.

    def _prepare_pictures(self) -> None:
        """Make every picture one that the provider takes; what it takes is sent as it is."""
        before = self.job.request.views
        prepared = {view: self._prepared(picture) for view, picture in before.items()}
        after = {view: picture.evolve(file=prepared[view].path.name) for view, picture in before.items()}
        self._journal(request=self.job.request.evolve(views=after))
        for text in (text for each in prepared.values() for text in each.notes):
            self.note(text)
        for file in {picture.file for picture in before.values()} - {picture.file for picture in after.values()}:
            (self.folder.path / file).unlink()

    def _prepared(self, picture: Picture) -> Prepared:
        self.report("Preparing the picture")
        wanted = _wanted_by(self.provider.info)
        return prepare(self.folder.path / picture.file, wanted, name=picture.name, blender=self.blender)

    def _put_away_results(self, error: ImageTo3DError) -> None:
        """Keep what a service sold, however odd it is; drop what was never finished."""
        if self.provider.info.paid and (isinstance(error, BadResult) or self._is_buying):
            self._reject_results(self.result_folder)
        shutil.rmtree(self.result_folder, ignore_errors=True)

    def _reject_results(self, draft: Path) -> None:
        """Put aside what there is."""
        if not any(draft.glob("*")):
            return
        names = ("rejected" if number == 1 else f"rejected-{number}" for number in itertools.count(1))
        rejected = next(path for name in names if not (path := self.folder.path / name).exists())
        draft.chmod(0o700)  # an answer may hold signed links
        system.replace(draft, rejected)

    def _empty_result_folder(self) -> None:
        try:
            for draft in self.folder.result_drafts():
                if self.job.handle is None and self.provider.info.paid:  # whose answer was it, if not a purchase's?
                    self._reject_results(draft)
                shutil.rmtree(draft, ignore_errors=True)
            self.result_folder.mkdir()
        except OSError as error:
            raise StorageError(f"{self.folder.path} cannot be written: {system.explain(error)}.") from error


def _wanted_by(info: ProviderInfo) -> Wanted:
    return Wanted(
        taker=info.label,
        formats=info.picture_formats,
        # Services open pictures with Pillow, which shows them as they are stored.
        must_be_upright=info.base_url is not None,
        must_be_plain=info.base_url is not None,
        max_bytes=info.max_picture_bytes,
        good_side=info.good_picture_side,
    )


def _poll_pause(elapsed_seconds: float) -> float:
    """Return how long to wait until the next question, where the service does not say."""
    return min(max(SHORTEST_POLL_SECONDS, elapsed_seconds * POLL_SHARE), LONGEST_POLL_SECONDS)


def _check_room(folder: Path) -> None:
    """Do not buy what cannot be kept.

    Raises:
        StorageError: the disk is almost full.
    """
    free = shutil.disk_usage(folder).free
    if free < _ROOM_BYTES:
        raise StorageError(
            f"The disk is full: only {free // 2**20} MB are free for the result in {folder}.",
            hint="Nothing was sent. Make room, then try again.",
        )


def _check_result_file(path: Path, *, charged: Charged) -> None:
    """Trust the bytes, not the name.

    Raises:
        BadResult: the file is empty, a web page, or a damaged GLB.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise BadResult(f"{path.name} is empty.", charged=charged)
    kind = formats.detect(head, path.stat().st_size)
    if kind in {formats.Format.HTML, formats.Format.JSON}:
        raise BadResult(f'{path.name} is not a model: "{said(head)}".', charged=charged)
    if kind is formats.Format.GLB:
        try:
            glb.inspect(path)
        except glb.MeshError as error:
            raise BadResult(f"{path.name} is damaged: {error}", charged=charged) from None


def _log_to_stderr(secrets: Iterable[str]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacted(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class _Redacted(logging.Formatter):
    """Writes lines and tracebacks without keys and signed links in them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record), self._secrets)
