# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension comes, works, is upgraded, is switched off and goes: in a Blender of its own, from the zip."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import HANGS_SECONDS, KEY, PACKAGE, ROOT
from ..fakes.servers.meshy import MeshyServer, _Task
from . import given
from .own_blender import OwnBlender

PUBLISHED = "1657ef8"
"""The commit of the version that the first users have."""
_OF_BLENDER = re.compile(
    r"temporary/blender_\w+"  # our sessions end before Blender removes its folder
    r"|home/\.cache/thumbnails/.*"  # of the .blend that was saved
    # What it does not clean up: lists of its own, and what Python compiled of a package that is a single file.
    r"|resources/extensions/(\.user/user_default|\.cache/.*|user_default/\.blender_ext/.*)"
    r"|resources/extensions/\.local/.*/__pycache__/\w+\.cpython-\d+\.pyc"
)
"""What Blender leaves of any extension that brings packages."""
GENERATE = (
    "bpy.ops.image_to_3d.generate(filepath={picture!r}, provider='offline_shape', height=1.5,\n"
    "                             options='{{\"resolution\": 48}}')\n"
)


@pytest.fixture(scope="session")
def archive() -> Path:
    """The zip for this machine."""
    if "EXTENSION_ZIP" in os.environ:
        return Path(os.environ["EXTENSION_ZIP"])
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        from environment import build_extension

        return build_extension()


@pytest.fixture
def own(tmp_path: Path) -> OwnBlender:
    return OwnBlender(tmp_path / "user")


@pytest.fixture(scope="session")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> OwnBlender:
    """Somebody who has installed it and done nothing else."""
    somebody = OwnBlender(tmp_path_factory.mktemp("installed"))
    somebody.run(f"install({str(archive)!r})")
    return somebody


@pytest.fixture
def user(installed: OwnBlender, tmp_path: Path) -> OwnBlender:
    """The same, and what a test does with it."""
    shutil.copytree(installed.folder, tmp_path / "user", symlinks=True)
    return OwnBlender(tmp_path / "user")


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """A red disc on a transparent background."""
    return str(given.disc(tmp_path / "cup.png"))


@pytest.mark.everywhere
def test_installed_used_and_uninstalled_it_leaves_the_library_and_nothing_else(
    own: OwnBlender, archive: Path, picture: str, tmp_path: Path
) -> None:
    blend = tmp_path / "made.blend"
    own.run("say(enabled())")
    before = set(own.files())

    own.run(f"install({str(archive)!r}); say(enabled())")
    made = own.run(
        f"say(enabled()); preferences = bpy.context.preferences.addons[OURS].preferences\n"
        f"preferences.key_meshy = {KEY!r}; preferences.jobs_at_once = 3\n"
        f"bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)\n"
        f"{GENERATE.format(picture=picture)}"
        f"assert module('blender.form.scene_form').ensure() is None\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(blend)!r})"
    )
    assert made.said == [PACKAGE]
    assert own.run("uninstall(); say([enabled(), sorted(sys.modules)])").said[0] == []

    left = sorted(each for each in set(own.files()) - before if not _OF_BLENDER.fullmatch(each))
    data = "home/.local/share"
    assert [each for each in left if not each.startswith(f"{data}/image_to_3d/")] == [
        f"{data}/image_to_3d.keys.json",
        f"{data}/image_to_3d.settings.json",
    ]
    job = json.loads(next(own.library.glob("[!.]*/job.json")).read_bytes())
    assert job["state"] == "imported" and (own.library / job["id"] / "result" / job["results"][0]["file"]).is_file()
    assert all((own.folder / each).exists() for each in before)

    _is_whole_without_the_extension(OwnBlender(tmp_path / "somebody"), blend, job["id"])


def _is_whole_without_the_extension(somebody: OwnBlender, blend: Path, job: str) -> None:
    """Open a .blend where the extension never was."""
    seen = somebody.run(
        f"bpy.ops.wm.open_mainfile(filepath={str(blend)!r})\n"
        "(root,) = bpy.context.scene.objects\n"
        "(slot,) = root.material_slots\n"
        "image = next(node.image for node in slot.material.node_tree.nodes if node.type == 'TEX_IMAGE')\n"
        "middle = (image.size[1] // 2 * image.size[0] + image.size[0] // 2) * 4\n"
        "say({'enabled': enabled(), 'job': root['image_to_3d_job'], 'picture': root['image_to_3d_image'],\n"
        "     'request': root['image_to_3d_request'], 'height': root.dimensions.z, 'packed': bool(image.packed_file),\n"
        "     'size': min(image.size), 'read': image.has_data or bool(len(image.pixels)),\n"
        "     'faces': len(root.data.polygons),\n"
        "     'imported': [each for each in sys.modules if 'image_to_3d' in each]})"
    )
    said = seen.said
    assert (said["enabled"], said["job"], said["picture"]) == ([], job, "cup.png")
    assert json.loads(said["request"])["provider"] == "offline_shape"
    assert said["height"] == pytest.approx(1.5, rel=1e-5) and said["faces"] > 100
    assert said["packed"] and said["read"] and said["size"] >= 64
    assert said["imported"] == [] and seen.unusual == []


@pytest.mark.everywhere
def test_blender_s_own_command_line_installs_it(own: OwnBlender, archive: Path, picture: str) -> None:
    status = own.run(
        f"import bl_pkg\nsay(bl_pkg.cli_extension(['install-file', '-r', REPOSITORY, '--enable', {str(archive)!r}]))"
    ).said
    assert status == 0
    made = own.run(f"{GENERATE.format(picture=picture)}say([enabled(), len(bpy.data.objects['cup'].data.polygons)])")
    assert made.said[0] == [PACKAGE] and made.said[1] > 100


WHAT_BLENDER_KNOWS = """
def known():
    kinds = [getattr(bpy.app.handlers, kind) for kind in dir(bpy.app.handlers)]
    handlers = [str(each) for kind in kinds if isinstance(kind, list) for each in kind]
    drawn = [f"{each.__name__}: {function.__module__}.{function.__qualname__}"
             for base in (bpy.types.Menu, bpy.types.Header, bpy.types.Panel) for each in base.__subclasses__()
             for function in getattr(getattr(each, "draw", None), "_draw_funcs", ())]
    keymaps = [(keymap.name, item.idname) for config in bpy.context.window_manager.keyconfigs
               for keymap in config.keymaps for item in keymap.keymap_items if "image_to_3d" in item.idname]
    return {
        "types": [each for each in dir(bpy.types) if "image_to_3d" in each.lower()],
        "handlers": sorted(handlers), "drawn": sorted(drawn), "keymaps": keymaps,
        "scene": sorted(bpy.types.Scene.bl_rna.properties.keys()),
        "manager": sorted(bpy.types.WindowManager.bl_rna.properties.keys()),
        "operators": sorted(dir(bpy.ops.image_to_3d)),
        "command": getattr(sys.modules.get(OURS + ".blender.registration"), "_command", None) is not None,
        "path": sys.path[:], "hooks": [repr(each) for each in sys.meta_path],
    }
"""


@pytest.mark.everywhere
def test_disabled_it_costs_nothing(user: OwnBlender, picture: str) -> None:
    said = user.run(
        f"{WHAT_BLENDER_KNOWS}"
        "disable(); without = known(); states = []\n"
        "for _ in range(2):\n"
        "    enable(); assert module('blender.form.scene_form').ensure() is None\n"
        f"    {GENERATE.format(picture=picture)}"
        "    states.append(known())\n"
        "    disable(); states.append(known())\n"
        "say([without, *states])"
    ).said
    without, *states = said
    for now in states[1::2]:
        assert now == without
    assert without["types"] == without["keymaps"] == without["operators"] == []
    assert states[0]["command"] and not without["command"]
    assert states[0]["types"] and states[0]["scene"] != without["scene"]


@pytest.mark.everywhere
def test_a_blender_that_has_it_disabled_imports_nothing_of_it(user: OwnBlender) -> None:
    user.run("disable()")
    seen = user.run("say([enabled(), [each for each in sys.modules if 'image_to_3d' in each or 'pydantic' in each]])")
    assert seen.said == [[], []]
    assert not any(user.resources.glob("extensions/.local/lib/*/site-packages/pydantic*"))
    # It has still its own folder, and can be enabled again.
    assert user.run("enable(); say(module('blender.form.scene_form').ensure())").said is None


# Upgrades


def other_version(archive: Path, target: Path, version: str, *, code: Path | None = None) -> Path:
    """Write the zip with another version in its manifest, and the code from a folder."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "blender_manifest.toml":
                content = re.sub(rb'(?m)^version = ".*"', f'version = "{version}"'.encode(), content)
            is_code = name.endswith((".py", ".po", ".npz", ".json")) or ("/" in name and not name.startswith("wheels/"))
            if code is None or not is_code:
                new.writestr(name, content)
        for path in sorted(code.rglob("*")) if code else ():
            if path.is_file():
                new.write(path, path.relative_to(code).as_posix())
    return target


@pytest.fixture(scope="session")
def published(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of the version that is out."""
    folder = tmp_path_factory.mktemp("published")
    exported = subprocess.run(["git", "archive", PUBLISHED, PACKAGE], cwd=ROOT, capture_output=True)
    if exported.returncode:
        pytest.skip(f"this checkout has no commit {PUBLISHED}: {exported.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(exported.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return other_version(archive, folder / "published.zip", "0.1.0", code=folder / PACKAGE)


ONLINE = "bpy.context.preferences.system.use_online_access = True\n"


class SlowMeshy(MeshyServer):
    """Meshy, whose model is ready when the test says so."""

    def __init__(self, model: bytes) -> None:
        super().__init__(KEY, {"glb": model})
        self.is_done = threading.Event()

    def _status(self, task: _Task) -> tuple[str, int]:
        task.asked += 1
        return ("SUCCEEDED", 100) if self.is_done.is_set() else ("IN_PROGRESS", 40)

    @property
    def environment(self) -> dict[str, str]:
        return {"IMAGE_TO_3D_MESHY_URL": f"{self.url}/openapi/v1"}


@pytest.mark.parametrize(
    "comes_from", [pytest.param("the same code", marks=pytest.mark.everywhere), "what is published"]
)
def test_an_upgrade_keeps_everything_and_a_paid_job_that_runs(
    own: OwnBlender, archive: Path, picture: str, tmp_path: Path, comes_from: str, request: pytest.FixtureRequest
) -> None:
    old = archive if comes_from == "the same code" else request.getfixturevalue("published")
    new = other_version(archive, tmp_path / "new.zip", "9.9.9")
    own.run(
        f"install({str(old)!r}); preferences = bpy.context.preferences.addons[OURS].preferences\n"
        f"preferences.key_meshy = {KEY!r}; preferences.jobs_at_once = 5\n{GENERATE.format(picture=picture)}"
    )
    kept = {path: path.read_bytes() for path in own.library.parent.rglob("*") if path.is_file()}
    (model,) = own.library.glob("*/result/*.glb")
    with SlowMeshy(model.read_bytes()) as meshy:
        words = ["generate", picture, "--provider", "meshy"]
        command = f"{ONLINE}say(module('blender.registration').run_command({words!r}))"
        with own.start(command, **meshy.environment) as old_one:
            wait_until(lambda: meshy.billable == 1 and _states(own).count("running") == 1)
            seen = own.run(
                f"install({str(new)!r}); preferences = bpy.context.preferences.addons[OURS].preferences\n"
                "manifest = Path(module('errors').__file__).with_name('blender_manifest.toml')\n"
                "say([enabled(), preferences.key_meshy, preferences.jobs_at_once, '9.9.9' in manifest.read_text()])"
            ).said
            assert seen == [[PACKAGE], "\u2022" * 12, 5, True]
            meshy.is_done.set()
            output, _ = old_one.communicate(timeout=HANGS_SECONDS)
        assert old_one.returncode == 0 and "Traceback" not in output, output
        assert sorted(_states(own)) == ["imported", "ready"]
        again = own.run(
            f"{ONLINE}bpy.ops.image_to_3d.generate(filepath={picture!r}, provider='meshy')\n"
            "say(sorted(bpy.data.objects.keys()))",
            **meshy.environment,
        )
        assert "cup" in again.said and meshy.billable == 1, "it was bought before"
    assert {path: path.read_bytes() for path in kept if path.name != "lock"} == {
        path: content for path, content in kept.items() if path.name != "lock"
    }


def _states(own: OwnBlender) -> list[str]:
    return [json.loads(path.read_bytes())["state"] for path in own.library.glob("[!.]*/job.json")]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_older_version_reads_and_spoils_nothing_of_a_newer_one(
    user: OwnBlender, published: Path, picture: str
) -> None:
    user.run(
        "preferences = bpy.context.preferences.addons[OURS].preferences\n"
        f"preferences.key_meshy = {KEY!r}; preferences.jobs_at_once = 5\n{GENERATE.format(picture=picture)}"
    )
    data = user.library.parent
    for name in ("image_to_3d.keys.json", "image_to_3d.settings.json"):  # as a version of the future writes them
        content = json.loads((data / name).read_bytes())
        (data / name).write_text(json.dumps({**content, "of_the_future": "kept"}))
    (job,) = user.library.glob("[!.]*/job.json")
    future = job.parent.with_name("29991231-000000-cup-0000")
    shutil.copytree(job.parent, future)
    facts = json.loads(job.read_bytes()) | {"id": future.name, "of_the_future": 1}
    (future / "job.json").write_text(json.dumps(facts))
    before = {path: path.read_bytes() for path in user.library.rglob("*") if path.is_file()}

    said = user.run(
        f"install({str(published)!r}); preferences = bpy.context.preferences.addons[OURS].preferences\n"
        "preferences.jobs_at_once = 4; preferences.key_one_min_ai = 'sk-another-0123456789'\n"
        f"{GENERATE.format(picture=picture)}"
        "say([preferences.key_meshy, preferences.jobs_at_once, len(bpy.data.objects['cup'].data.polygons) > 100])"
    ).said

    assert said == ["\u2022" * 12, 4, True]
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads((data / "image_to_3d.keys.json").read_bytes())["of_the_future"] == "kept"
    assert json.loads((data / "image_to_3d.settings.json").read_bytes()).get("of_the_future") == "kept"
