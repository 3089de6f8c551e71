# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the computer is the picture, and not where, when and with what it was taken."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from blender_image_to_3d.pictures.handed_over import Wanted, prepare
from blender_image_to_3d.pictures.inspect import inspect
from blender_image_to_3d.pictures.plain import plain

from ..conftest import User
from ..services import SERVICES, files_with

SECRET = "Aunt Klara, 48.1372 N, /home/klara/secret.blend"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GPS = {1: "N", 2: (48.0, 8.0, 13.0), 3: "E", 4: (11.0, 34.0, 0.0)}
ENDINGS = ("png", "jpg", "webp")


def noise(mode: str) -> Image.Image:
    parts = [Image.effect_noise((64, 48), 60 + 9 * number) for number in range(len(Image.new(mode, (1, 1)).getbands()))]
    return Image.merge(mode, parts) if len(parts) > 1 else parts[0]


def with_secrets(path: Path, image: Image.Image, **more: Any) -> Path:
    """Save a picture with all that cameras and programs write into one, and a second picture behind its end."""
    exif = Image.Exif()
    exif[0x010F] = exif[0x013B] = exif[0x9286] = SECRET
    exif.get_ifd(0x8825).update(GPS)
    words: dict[str, Any] = {"exif": exif, "icc_profile": PROFILE, **more}
    if path.suffix == ".png":
        texts = words["pnginfo"] = PngImagePlugin.PngInfo()
        texts.add_text("File", SECRET)
        texts.add_text("Comment", SECRET, zip=True)
        texts.add_itxt("XML:com.adobe.xmp", SECRET)
    elif path.suffix == ".jpg":
        words |= {"comment": SECRET, "xmp": SECRET.encode(), "quality": 90}
    else:
        words |= {"xmp": SECRET.encode()}
    image.save(path, **words)
    if path.suffix == ".jpg":
        with path.open("ab") as file:
            file.write(path.read_bytes())
    return path


def pixels_of(content: bytes) -> tuple[str, tuple[int, int], bytes]:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.mode, image.size, image.tobytes()


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("ending", "mode", "more"),
    [
        ("png", "RGB", {}),
        ("png", "RGBA", {}),
        ("png", "P", {"transparency": 3}),
        ("png", "L", {}),
        ("jpg", "RGB", {}),
        ("jpg", "RGB", {"progressive": True}),
        ("jpg", "RGB", {"restart_marker_rows": 1}),
        ("jpg", "L", {}),
        ("jpg", "CMYK", {}),
        ("webp", "RGB", {}),
        ("webp", "RGBA", {"lossless": True}),
    ],
)
def test_the_pixels_stay_and_what_else_there_is_goes(
    tmp_path: Path, ending: str, mode: str, more: dict[str, Any]
) -> None:
    image = noise("RGB").quantize() if mode == "P" else noise(mode)
    path = with_secrets(tmp_path / f"front.{ending}", image, **more)
    before = path.read_bytes()
    assert b"Klara" in before
    content = plain(path, inspect(path).format)
    assert content is not None
    assert b"Klara" not in content and b"Exif" not in content and len(content) < len(before)
    assert pixels_of(content) == pixels_of(before)
    with Image.open(io.BytesIO(content)) as seen:
        assert not seen.getexif() and seen.info.get("icc_profile") == PROFILE
    target = tmp_path / f"plain.{ending}"
    target.write_bytes(content)
    assert inspect(target) == inspect(path)
    assert plain(target, inspect(target).format) is None, "nothing is left to take out"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_picture_without_secrets_is_sent_as_it_is(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"front.{ending}"
    noise("RGB").save(path)
    to = Wanted("Meshy", ("PNG", "JPEG", "WebP"), must_be_plain=True)
    assert prepare(path, to, name="cup", blender=None).path == path


@pytest.mark.parametrize("ending", ENDINGS)
def test_only_who_is_somebody_else_gets_a_plain_copy(tmp_path: Path, ending: str) -> None:
    path = with_secrets(tmp_path / f"front.{ending}", noise("RGB"))
    before = path.read_bytes()
    here = Wanted("Offline Shape", ("PNG", "JPEG", "WebP"))
    assert prepare(path, here, name="cup", blender=None).path == path
    sent = prepare(path, Wanted("Meshy", here.formats, must_be_plain=True), name="cup", blender=None)
    assert sent.path.name == f"front.sent.{ending}" and sent.notes == () and path.read_bytes() == before
    again = prepare(sent.path, Wanted("Meshy", here.formats, must_be_plain=True), name="cup", blender=None)
    assert again == sent


@pytest.mark.parametrize("provider", SERVICES)
def test_a_service_gets_the_picture_and_not_where_it_was_taken(user: User, tmp_path: Path, provider: str) -> None:
    picture = with_secrets(tmp_path / "cup.jpg", noise("RGB"))
    with SERVICES[provider](user) as service:
        answer = user.run("generate", picture, *service.words)
        assert answer.status == 0, answer.errors
        (arrived,) = service.pictures()
        assert pixels_of(arrived) == pixels_of(picture.read_bytes())
        assert b"Klara" not in arrived and b"Exif" not in arrived
        assert files_with(user, "Klara") == [], "nor is it kept"
        (job,) = user.jobs()
        assert job["request"]["views"]["front"]["sha256"] == hashlib.sha256(picture.read_bytes()).hexdigest()
        if service.is_paid:
            again = user.run("generate", picture, *service.words)
            assert again.status == 0 and "was made before" in again.errors and service.posts == 1
