# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service sends is known by its bytes, and cannot reach anything outside of the result folder."""

from __future__ import annotations

import json
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blender_image_to_3d.errors import BadResult
from blender_image_to_3d.results import archives
from blender_image_to_3d.results.adopt import adopt, safe_name

from ..conftest import ROOT, draw_disc

pytestmark = pytest.mark.everywhere

OBJ = b"mtllib cup.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl clay\nf 1 2 3\n"
MTL = b"newmtl clay\nKd 1 1 1\nmap_Kd skin.png\n"
PLY = b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n"
# More than is looked at to see what a file is.
VERTICES = b"v 0 0 0\n" * 600
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
HOSTILE = [
    "/etc/passwd",
    "../../secret.png",
    "..\\..\\secret.png",
    "C:\\Users\\me\\secret.png",
    "\\\\server\\share\\secret.png",
    "~/secret.png",
    "file:///etc/passwd",
    '"/etc/passwd"',
    "secret.png",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The result folder, with something of the user's next to it."""
    (tmp_path / "secret.png").write_bytes(b"the user's own")
    folder = tmp_path / "result~"
    folder.mkdir()
    return folder


def arrived(folder: Path, data: bytes, name: str = "model") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def zipped(folder: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "model"
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def glb(document: dict[str, Any]) -> bytes:
    text = json.dumps({"asset": {"version": "2.0"}, **document}).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text


def names_in(folder: Path) -> set[str]:
    assert (folder.parent / "secret.png").read_bytes() == b"the user's own"
    assert {path.name for path in folder.parent.iterdir()} == {"secret.png", folder.name}
    return {path.name for path in folder.rglob("*")}


# What it is.


@pytest.mark.parametrize(
    ("data", "name"),
    [(glb({}), "model.glb"), (b"v 0 0 0\nf 1 1 1\n", "model.obj"), (PLY, "model.ply"), (b"; FBX 7", "model.fbx")],
)
def test_the_name_follows_the_bytes(folder: Path, data: bytes, name: str) -> None:
    assert adopt(arrived(folder, data, "model.stl")) == (name,)
    assert names_in(folder) == {name} and (folder / name).read_bytes() == data


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "What the service made is empty."),
        (b"<html><title>502 Bad Gateway</title></html>", 'not a model but a web page: "502 Bad Gateway".'),
        (b'{"detail": "no credit left"}', 'not a model but a message: "no credit left".'),
        (b'{"detail": "no credit left", "more": "' + b"x " * 4000 + b'"}', 'message: "no credit left".'),
        (b"File not found", 'something unknown: "File not found".'),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        (bytes(range(256)), "is not a model but something unknown."),
        (PNG, "is not a model but a picture."),
        (b"PK\x05\x06" + bytes(18), "an archive without a model."),
        (b"PK\x03\x04" + bytes(100), "The archive is damaged."),
    ],
)
def test_what_is_no_model_is_told_in_its_own_words(folder: Path, data: bytes, sentence: str) -> None:
    with pytest.raises(BadResult) as caught:
        adopt(arrived(folder, data))
    assert sentence in str(caught.value) and str(caught.value).endswith(".")
    assert names_in(folder) == {"model"}, "what was sold is kept"


@pytest.mark.parametrize(
    ("format", "name"), [("png", "picture.png"), ("jpeg", "picture.jpg"), ("webp", "picture.webp")]
)
def test_a_picture_is_taken_where_it_is_wanted(folder: Path, format: str, name: str) -> None:
    from PIL import Image

    Image.new("RGB", (32, 16), (200, 40, 40)).save(folder / "model.glb", format=format)
    assert adopt(folder / "model.glb", pictures=True) == (name,)
    assert names_in(folder) == {name}


def test_a_picture_that_was_cut_is_no_result(folder: Path) -> None:
    whole = draw_disc(folder / "model.png", (200, 40, 40)).read_bytes()
    with pytest.raises(BadResult, match="cannot be used"):
        adopt(arrived(folder, whole[: len(whole) // 2]), pictures=True)


@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"glTF", b"{", b"v 0 0 0\nmtllib "]))
def test_no_bytes_are_too_strange(tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes) -> None:
    folder = tmp_path_factory.mktemp("result")
    try:
        model, *_ = adopt(arrived(folder, head + data))
    except BadResult:
        return
    assert (folder / model).is_file()


# Names.


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\skin.png", "skin.png"),
        ("C:skin.png", "C_skin.png"),
        ("my skin (1).png", "my_skin_1.png"),
        ("テクスチャ.png", "file.png"),
        ("Crème.png", "Creme.png"),
        (".hidden", "file.hidden"),
        ("-rf", "rf"),
        ("...", "file"),
        ("", "file"),
        ("con", "_con"),
        ("NUL.tar.png", "_NUL.tar.png"),
        ("com¹.png", "_com1.png"),
        ("aux .png", "_aux.png"),
        ("skin.png\n", "skin.png"),
        ("a" * 300 + ".png", "a" * 80 + ".png"),
    ],
)
def test_names_are_safe_on_every_system(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@example("0\N{TWO DOT LEADER}0")
@example("a..b._")
@given(st.text(max_size=300))
def test_every_name_can_be_made_safe_and_stays_so(name: str) -> None:
    safe = safe_name(name)
    assert safe.isascii() and safe[0].isalnum() | (safe[0] == "_") and len(safe) < 100
    assert not set(safe) & set('/\\:*?"<>| \0') and ".." not in safe[:1] and safe_name(safe) == safe


# Archives.


def test_the_best_model_of_an_archive_is_taken_by_its_content(folder: Path) -> None:
    path = zipped(
        folder,
        {"a.glb": PLY, "big.txt": b"v 0 0 0\n" * 5000, "b.dat": glb({}), "c.dat": glb({"extras": "larger"}), "x": b""},
    )
    assert adopt(path) == ("model.glb",)
    assert b"larger" in (folder / "model.glb").read_bytes()
    assert names_in(folder) == {"model.glb"}, "the archive is gone"


def test_textures_in_folders_of_an_archive_are_found(folder: Path) -> None:
    obj = b"# made\nmtllib ./mat\\Cup.MTL\nv 0 0 0\nusemtl clay\nf 1 1 1\n"
    mtl = (
        b"newmtl clay\nmap_Kd ..\\Textures\\skin.png\nnewmtl b\nmap_Kd -bm 0.5 /home/bob/tex/b/skin.png\nbump no.png\n"
    )
    path = zipped(
        folder,
        {
            "out/Cup v2.obj": obj,
            "out/mat/cup.mtl": mtl,
            "out/textures/skin.png": PNG,
            "out/tex/b/Skin.png": PNG + b"b",
            "out/notes.txt": b"hello",
            "__MACOSX/out/._cup.obj": b"v 0 0 0\n",
        },
    )
    assert adopt(path) == ("model.obj", "cup.mtl", "skin.png", "Skin-2.png")
    assert names_in(folder) == {"model.obj", "cup.mtl", "skin.png", "Skin-2.png"}
    assert (folder / "model.obj").read_bytes() == b"# made\nmtllib cup.mtl\nv 0 0 0\nusemtl clay\nf 1 1 1\n"
    assert (folder / "cup.mtl").read_bytes() == (
        b"newmtl clay\nmap_Kd skin.png\nnewmtl b\nmap_Kd -bm 0.5 Skin-2.png\n\n"
    )


def test_of_two_textures_with_one_name_the_nearer_one_is_meant(folder: Path) -> None:
    members = {"a/skin.png": PNG, "b/skin.png": PNG + b"b", "b/cup.mtl": MTL, "b/cup.obj": OBJ}
    assert adopt(zipped(folder, members)) == ("model.obj", "skin.png", "skin-2.png", "cup.mtl")
    assert b"map_Kd skin-2.png\n" in (folder / "cup.mtl").read_bytes()


@pytest.mark.parametrize("name", ["../evil.obj", "a/../../evil.obj", "..\\evil.obj", "a\\..\\..\\evil.obj"])
def test_what_climbs_out_of_an_archive_is_left_in_it(folder: Path, name: str) -> None:
    with pytest.raises(BadResult, match="without a model"):
        adopt(zipped(folder, {name: OBJ}))
    assert names_in(folder) == {"model"}


@pytest.mark.parametrize("name", ["/model.obj", "C:\\model.obj", "C:/a/model.obj", "\\\\server\\share\\model.obj"])
def test_an_absolute_name_is_only_a_name(folder: Path, name: str) -> None:
    adopt(zipped(folder, {name: b"v 0 0 0\nf 1 1 1\n"}))
    assert names_in(folder) == {"model.obj"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_left_in_the_archive(folder: Path, kind: int) -> None:
    link = zipfile.ZipInfo("skin.png")
    link.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(folder / "model", "w") as file:
        file.writestr("cup.obj", OBJ)
        file.writestr("cup.mtl", MTL)
        file.writestr(link, "/etc/passwd")
    assert adopt(folder / "model") == ("model.obj", "cup.mtl")
    assert b"map_Kd" not in (folder / "cup.mtl").read_bytes()


def test_members_cannot_take_each_others_names_nor_ours(folder: Path) -> None:
    names = [
        "SKIN.png",
        "skin.png",
        "s/skin.PNG",
        "con.png",
        "nul",
        "model.glb",
        "finished.json",
        "picture.png",
        "a:b.png",
    ]
    path = zipped(folder, {"cup.obj": OBJ, **dict.fromkeys(names, PNG)})
    found = adopt(path)
    assert len({name.lower() for name in found}) == len(found) == len(names) + 1
    assert {name.partition(".")[0] for name in found} >= {"_con", "_nul"} and "finished.json" not in found
    assert (folder / "model.obj").read_bytes().startswith(b"\nv 0 0 0") and names_in(folder) == set(found)


def test_a_bomb_does_not_go_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 2**20)
    path = zipped(folder, {"cup.obj": OBJ + b"#" * 2**20 + b"\n" + bytes(8 * 2**20)})
    assert path.stat().st_size * archives.MOST_RATIO < 9 * 2**20
    with pytest.raises(BadResult, match="unpacks to more than"):
        adopt(path)
    assert names_in(folder) == {"model"}


def test_a_bomb_of_many_small_members_does_not_go_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 2**20)
    path = zipped(folder, {"cup.obj": OBJ, **{f"{number}.png": PNG + bytes(2**18) for number in range(40)}})
    with pytest.raises(BadResult, match="unpacks to more than"):
        adopt(path)
    assert names_in(folder) == {"model"}


def test_a_member_that_lies_about_its_size_does_not_go_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 2**20)
    path = zipped(folder, {"cup.obj": OBJ + b"#" * 2**23})
    honest, lie = struct.pack("<I", len(OBJ) + 2**23), struct.pack("<I", 100)
    path.write_bytes(path.read_bytes().replace(honest, lie))
    with pytest.raises(BadResult):
        adopt(path)
    assert names_in(folder) == {"model"}


@pytest.mark.parametrize("count", [archives.MOST_MEMBERS + 1, 60_000])
def test_an_archive_with_too_many_members_is_refused_before_they_become_objects(folder: Path, count: int) -> None:
    with zipfile.ZipFile(folder / "model", "w") as file:
        for number in range(count):
            file.writestr(f"{number}", b"")
    tracemalloc.start()
    with pytest.raises(BadResult, match=r"holds 2,001 files|list of files is too long"):
        adopt(folder / "model")
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_what_needs_little_memory_is_unpacked(folder: Path, compression: int) -> None:
    with pytest.raises(BadResult, match="packed in a way that is not known"):
        adopt(zipped(folder, {"cup.obj": OBJ}, compression))


def test_a_locked_archive_is_told(folder: Path) -> None:
    path = zipped(folder, {"cup.obj": OBJ})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(BadResult, match="locked with a password"):
        adopt(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_an_archive_that_was_cut_is_damaged(folder: Path, share: float) -> None:
    path = zipped(folder, {"cup.obj": OBJ * 100, "skin.png": PNG})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadResult, match="damaged"):
        adopt(path)


@given(st.data())
def test_an_archive_with_any_bytes_changed_stays_in_its_folder(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("given") / "result"
    folder.mkdir()
    path = zipped(folder, {"out/cup.obj": OBJ, "out/cup.mtl": MTL, "out/skin.png": PNG})
    content = bytearray(path.read_bytes())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = value
    path.write_bytes(content)
    try:
        names = adopt(path)
    except BadResult:
        names = (path.name,)
    assert {each.name for each in folder.rglob("*")} == set(names)
    assert [each.name for each in folder.parent.iterdir()] == ["result"]


# What a model refers to.


@pytest.mark.parametrize("reference", HOSTILE)
@pytest.mark.parametrize(
    "form", ["mtllib {}", "  MTLLIB\t{}  ", "\x01mtllib\x0b{}\r", "mtllib \\\n{}", "usemtl x\\\nmtllib {}"]
)
def test_an_obj_names_no_library_that_did_not_come_with_it(folder: Path, reference: str, form: str) -> None:
    line = form.format(reference)
    adopt(arrived(folder, VERTICES + f"{line}\nf 1 1 1\n{line}".encode()))
    text = (folder / "model.obj").read_text().lower()
    assert "mtllib" not in text and "secret" not in text and "passwd" not in text and "f 1 1 1" in text


@pytest.mark.parametrize("reference", HOSTILE)
@pytest.mark.parametrize(
    "form",
    [
        "map_Kd {}",
        "\tMAP_kd {}\r",
        "map_Kd -s 1 1 1 -o 0 0 -bm 2 -clamp on {}",
        "map_Kd -unknown x {}",
        "bump -bm 1 {}",
        "norm {}",
        "refl -type sphere {}",
        "disp {}",
        "map_Pr {}",
        "decal \\\n {}",
    ],
)
def test_a_library_names_no_texture_that_did_not_come_with_it(folder: Path, reference: str, form: str) -> None:
    library = arrived(folder, f"newmtl a\n{form.format(reference)}\nKd 1 1 1\n".encode(), "cup.mtl")
    others = [arrived(folder, PNG, "skin.png"), arrived(folder, PNG, "bump.png")]
    adopt(arrived(folder, OBJ), beside=[library, *others])
    text = (folder / "cup.mtl").read_text()
    assert "secret" not in text and "passwd" not in text and text.count("\n") >= 3 and "Kd 1 1 1" in text


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("map_Kd skin.png", "map_Kd skin.png"),
        ("map_Kd my skin.png", "map_Kd my_skin.png"),
        ('map_Kd "my skin.png"', "map_Kd my_skin.png"),
        ("map_Kd -s 1 1 1 -o 0 0.5 -blendu on C:\\x\\Skin.PNG", "map_Kd -s 1 1 1 -o 0 0.5 -blendu on skin.png"),
        ("bump -bm 0.3 -imfchan r ./skin.png", "bump -bm 0.3 -imfchan r skin.png"),
        ("map_Bump -mm 0 1 skin.png", "map_Bump -mm 0 1 skin.png"),
        ("map_Kd -type /../secret.png skin.png", None),
        ("map_Kd -s 1 1 1", None),
        ("map_Kd", None),
        ("Kd 1 1 1", "Kd 1 1 1"),
    ],
)
def test_options_of_a_texture_stay(folder: Path, line: str, kept: str | None) -> None:
    library = arrived(folder, f"newmtl a\n{line}\n".encode(), "cup.mtl")
    others = [arrived(folder, PNG, "skin.png"), arrived(folder, PNG, "my skin.png")]
    assert adopt(arrived(folder, OBJ), beside=[library, *others])[1:] == ("cup.mtl", "skin.png", "my_skin.png")
    assert (folder / "cup.mtl").read_text() == f"newmtl a\n{kept or ''}\n"


def test_several_libraries_in_one_statement(folder: Path) -> None:
    others = [arrived(folder, MTL, name) for name in ("a b.mtl", "c.mtl", "d.mtl")]
    adopt(arrived(folder, b"mtllib c.mtl gone.mtl d.mtl\nmtllib a b.mtl\nf 1 1 1\n"), beside=others)
    assert (folder / "model.obj").read_bytes() == b"mtllib c.mtl\nmtllib d.mtl\nmtllib a_b.mtl\nf 1 1 1\n"


def test_what_was_downloaded_under_another_name_is_meant_all_the_same(folder: Path) -> None:
    beside = [arrived(folder, MTL, "material"), arrived(folder, PNG, "texture")]
    obj = b"mtllib 7f3a.mtl\nusemtl clay\nf 1 1 1\n"
    assert adopt(arrived(folder, obj), beside=beside) == ("model.obj", "material.mtl", "texture.png")
    assert (folder / "model.obj").read_bytes() == obj.replace(b"7f3a", b"material")
    assert b"map_Kd texture.png\n" in (folder / "material.mtl").read_bytes()


def test_a_library_that_the_model_forgot_is_named(folder: Path) -> None:
    adopt(arrived(folder, b"usemtl clay\nf 1 1 1\n"), beside=[arrived(folder, MTL, "a.mtl")])
    assert (folder / "model.obj").read_bytes() == b"mtllib a.mtl\nusemtl clay\nf 1 1 1\n"


def test_nothing_that_runs_or_includes_is_left(folder: Path) -> None:
    adopt(arrived(folder, VERTICES + b"csh rm -rf ~\ncall /x.obj\nmaplib a\ntrace_obj b\nshadow_obj c\n"))
    assert (folder / "model.obj").read_bytes().rstrip() == VERTICES.rstrip()


def test_companions_keep_their_names_and_error_pages_go(folder: Path) -> None:
    beside = [
        arrived(folder, b"\0\0\0\x18ftypmp42", "turn table.mp4"),
        arrived(folder, PNG, "a b.png"),
        arrived(folder, PNG + b"2", "a_b.png"),
        arrived(folder, b"<html>gone</html>", "normal.png"),
        arrived(folder, b"", "rough.png"),
    ]
    names = adopt(arrived(folder, glb({})), beside=beside)
    assert names == ("model.glb", "turn_table.mp4", "a_b.png", "a_b-2.png")
    assert names_in(folder) == set(names) and (folder / "a_b-2.png").read_bytes() == PNG + b"2"


@pytest.mark.parametrize("name", ["finished.json", "Finished.JSON"])
def test_no_companion_is_taken_for_the_note_that_all_is_done(folder: Path, name: str) -> None:
    names = adopt(arrived(folder, glb({})), beside=[arrived(folder, b"neither a message nor a picture", name)])
    assert names == ("model.glb", name.replace(".", "-2.")) and names_in(folder) == set(names)


def test_a_file_that_is_right_is_not_written_again(folder: Path) -> None:
    library = arrived(folder, MTL, "cup.mtl")
    model = arrived(folder, OBJ, "model.obj")
    inodes = model.stat().st_ino, library.stat().st_ino
    adopt(model, beside=[library, arrived(folder, PNG, "skin.png")])
    assert ((folder / "model.obj").stat().st_ino, (folder / "cup.mtl").stat().st_ino) == inodes
    assert (folder / "model.obj").read_bytes() == OBJ and (folder / "cup.mtl").read_bytes() == MTL


def test_a_line_without_end_is_refused(folder: Path) -> None:
    with pytest.raises(BadResult, match="too long"):
        adopt(arrived(folder, b"v 0 0 0\nf " + b"1 " * 2**21))


def test_a_statement_across_two_pieces_is_seen(folder: Path) -> None:
    for offset in range(2**20 - 12, 2**20 + 2):
        filling = b"v 0 0 0\n" * ((offset - 8) // 8)
        filling += b"#" * (offset - len(filling) - 1) + b"\n"
        adopt(arrived(folder, filling + b"mtllib \\\n/etc/passwd\nf 1 1 1\n"))
        text = (folder / "model.obj").read_bytes()
        assert b"passwd" not in text and text.endswith(b"\nf 1 1 1\n") and text.startswith(filling)


def test_a_huge_obj_needs_little_memory(folder: Path) -> None:
    block = b"v 0.123456 0.234567 0.345678\n" * 36_000
    with (folder / "model").open("wb") as file:
        file.write(b"mtllib /etc/passwd\n")
        for _ in range(200):
            file.write(block)
        file.write(b"mtllib /etc/passwd\nf 1 2 3\n")
    script = (
        "import resource, sys; from pathlib import Path; from blender_image_to_3d.results.adopt import adopt\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; adopt(Path(sys.argv[1]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", script, folder / "model"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30_000, "kilobytes"
    assert (folder / "model.obj").stat().st_size == 200 * len(block) + len(b"\n\nf 1 2 3\n") > 200_000_000


# glTF.

URIS = [
    "/etc/passwd",
    "../secret.png",
    "%2e%2e/secret.png",
    "..%5Csecret.png",
    "file:///etc/passwd",
    "https://evil.example/a.png",
    "secret.png",
    "data:/../../secret.png",
    "data:text/plain,../secret.png",
    "data:;base64",
    7,
    {"a": 1},
]


@pytest.mark.parametrize("uri", URIS)
@pytest.mark.parametrize("key", ["buffers", "images"])
@pytest.mark.parametrize("is_binary", [True, False])
def test_a_gltf_file_reads_no_other_file(folder: Path, uri: object, key: str, is_binary: bool) -> None:
    document = {"asset": {"version": "2.0"}, key: [{"uri": uri, "byteLength": 4}]}
    data = glb(document) if is_binary else json.dumps(document).encode()
    with pytest.raises(BadResult, match=r"damaged: .*\.$"):
        adopt(arrived(folder, data))
    names_in(folder)


@pytest.mark.parametrize(
    "data",
    [
        b"glTF\x02\0\0\0",
        glb({})[:30],
        struct.pack("<4sIII4s", b"glTF", 2, 20, 2**32 - 1, b"JSON"),
        struct.pack("<4sIII4s", b"glTF", 2, 24, 4, b"BIN\0") + b"abcd",
        glb({"buffers": 3}),
        glb({"images": ["x"]}),
        b'{"asset": {"version": "2.0"}, ' + b"[" * 100_000,
        b'{"asset": {"version": "2.0"}',
    ],
)
def test_a_gltf_file_without_a_sensible_description_is_damaged(folder: Path, data: bytes) -> None:
    with pytest.raises(BadResult, match="damaged"):
        adopt(arrived(folder, data))


def test_data_in_the_file_and_files_beside_it_are_right(folder: Path) -> None:
    uris = ["data:application/octet-stream;base64,AAAA", "data:image/png;base64,iVBORw==", "data:;base64,AAAA"]
    data = json.dumps({"asset": {"version": "2.0"}, "images": [{"uri": uri} for uri in uris]}).encode()
    assert adopt(arrived(folder, data)) == ("model.gltf",)
    assert (folder / "model.gltf").read_bytes() == data
    data = glb({"images": [{"uri": "skin.png"}]})
    assert adopt(arrived(folder, data), beside=[arrived(folder, PNG, "skin.png")]) == ("model.glb", "skin.png")


def test_a_gltf_file_finds_what_was_in_folders_of_an_archive(folder: Path) -> None:
    document = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "data/my%20mesh.bin", "byteLength": 4}],
        "images": [{"uri": "./textures/Skin%201.png"}, {"bufferView": 0}],
    }
    members = {
        "cup/scene.gltf": json.dumps(document).encode(),
        "cup/data/my mesh.bin": b"{\0\2\3",  # begins like JSON
        "cup/textures/Skin 1.png": PNG,
        "cup/other.bin": b"1234",
    }
    assert adopt(zipped(folder, members)) == ("model.gltf", "my_mesh.bin", "Skin_1.png", "other.bin")
    found = json.loads((folder / "model.gltf").read_bytes())
    assert found["buffers"] == [{"uri": "my_mesh.bin", "byteLength": 4}]
    assert found["images"] == [{"uri": "Skin_1.png"}, {"bufferView": 0}]
