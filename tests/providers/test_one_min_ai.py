# SPDX-License-Identifier: GPL-3.0-or-later
"""1min.ai: asynchronous or not, model or picture, with links that expire, through the command line."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from ..conftest import KEY, User
from ..fakes.servers.one_min_ai import OneMinAiServer
from ..jobs.test_worker import state
from ..services import MODELS, SERVICES, Service, files_with

ONE = ("--provider", "one_min_ai")


@pytest.fixture
def service(user: User) -> Iterator[Service]:
    user.have_patience()
    with SERVICES["one_min_ai"](user) as running:
        yield running
        assert running.complaints() == []


@pytest.fixture
def shop(service: Service) -> OneMinAiServer:
    assert isinstance(service.server, OneMinAiServer)
    return service.server


@pytest.mark.parametrize(("way", "posts"), [("yes", 1), ("ignored", 1), ("refused", 2)])
def test_a_picture_becomes_a_model(
    user: User, cup: Path, service: Service, shop: OneMinAiServer, tmp_path: Path, way: str, posts: int
) -> None:
    shop.has_async = way
    answer = user.run("generate", cup, *ONE, "--output", tmp_path / "cup.glb")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.glb").read_bytes() == MODELS["glb"]
    assert (service.posts, shop.billable) == (posts, 1)
    assert [content for content in shop.assets.values()] == [cup.read_bytes()]


def test_an_upload_that_is_answered_with_the_asset_alone(user: User, cup: Path, shop: OneMinAiServer) -> None:
    shop.has_file_content = False
    assert user.run("generate", cup, *ONE).status == 0


@pytest.mark.parametrize("name", ["cup.tif", "cup.bmp", "cup.tga"])
def test_other_pictures_are_converted(user: User, cup: Path, shop: OneMinAiServer, tmp_path: Path, name: str) -> None:
    Image.open(cup).convert("RGB").resize((600, 600)).save(tmp_path / name)
    answer = user.run("generate", tmp_path / name, *ONE)
    assert answer.status == 0, answer.errors
    (sent,) = shop.assets.values()
    assert sent.startswith(b"\x89PNG")


def test_a_small_picture_is_warned_about(user: User, cup: Path, shop: OneMinAiServer) -> None:
    assert user.run("generate", cup, *ONE).status == 0
    assert any("512" in note for note in user.jobs()[0]["notes"])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_instead_of_a_model_is_kept_and_explained(
    user: User, cup: Path, shop: OneMinAiServer, kind: str
) -> None:
    content = io.BytesIO()
    Image.new("RGB", (64, 48), (10, 200, 30)).save(content, kind)
    shop.result = content.getvalue()
    answer = user.run("generate", cup, *ONE)
    assert answer.status == 0, answer.errors
    (job,) = user.jobs()
    assert (next(user.library.glob("*/result")) / job["results"][0]["file"]).read_bytes() == shop.result
    assert any("picture" in note for note in job["notes"])


def test_an_archive_is_unpacked(user: User, cup: Path, shop: OneMinAiServer) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("deep/model.glb", MODELS["glb"])
    shop.result = content.getvalue()
    answer = user.run("generate", cup, *ONE)
    assert answer.status == 0, answer.errors


def test_an_expired_link_is_asked_for_again(user: User, cup: Path, shop: OneMinAiServer) -> None:
    shop.cdn.link_uses = 0
    shop.polls = 0
    assert user.run("generate", cup, *ONE).status == 1
    shop.cdn.link_uses = None
    assert user.run("jobs", "resume", user.jobs()[0]["id"]).status == 0
    assert (state(user), shop.billable) == ("ready", 1)


@pytest.mark.parametrize("shape", ["observed", "documented"])
@pytest.mark.parametrize(
    ("trouble", "status", "final", "words"),
    [
        ("auth", 3, "failed", "auth"),
        ("credit", 3, "failed", "credit"),
        ("external", 1, "failed", ""),
        ("522", 1, "unknown", "522"),
        ("524", 1, "unknown", "524"),
    ],
)
def test_what_goes_wrong_there(
    user: User,
    cup: Path,
    service: Service,
    shop: OneMinAiServer,
    shape: str,
    trouble: str,
    status: int,
    final: str,
    words: str,
) -> None:
    shop.error_shape = shape
    shop.go_wrong(trouble)
    answer = user.run("generate", cup, *ONE)
    assert (answer.status, state(user)) == (status, final), answer.errors
    assert words in answer.errors and service.posts == 1
    if (trouble, shape) == ("external", "observed"):
        assert "could not find an object in the image" in answer.errors


def test_a_failure_is_said_in_its_words(user: User, cup: Path, shop: OneMinAiServer) -> None:
    shop.fails = "The picture shows nothing."
    answer = user.run("generate", cup, *ONE)
    assert answer.status == 1 and "The picture shows nothing." in answer.errors


def test_several_results_are_mentioned(user: User, cup: Path, shop: OneMinAiServer) -> None:
    shop.result_count = 2
    assert user.run("generate", cup, *ONE).status == 0
    assert any("2 files" in note for note in user.jobs()[0]["notes"])


def test_neither_key_nor_link_is_written_down(user: User, cup: Path, shop: OneMinAiServer) -> None:
    assert user.run("generate", cup, *ONE).status == 0
    assert files_with(user, KEY) == [] == files_with(user, "X-Amz-Signature")
