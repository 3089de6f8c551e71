# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrived from a service: known by its bytes, whatever its name or its content type say.

Every byte is a stranger's. What is kept has names of our own making, lies directly in the result folder, and refers to
nothing outside of it: opening a model must not open another file of the user's.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadPicture, BadResult
from ..host import system
from ..http import said
from ..mesh import formats, gltf, wavefront
from ..mesh.formats import Format
from ..models import FileName
from ..pictures.inspect import inspect
from . import archives

_PREFERRED = (Format.GLB, Format.GLTF, Format.FBX, Format.OBJ, Format.PLY, Format.STL)
"""Of the models in an archive, those that hold the most come first."""
_TEXTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tga", ".bmp", ".tif", ".tiff", ".exr"}
_LIBRARY = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*newmtl[ \t]")
_QUOTED_BYTES = 20_000
FINISHED = "finished.json"
"""In the result folder, and so there exactly when the result is whole: what the provider said of it."""
_DEEPEST = 8
"""Folders by which a file is found: more than anybody has."""
_LONGEST_NAME = 80
_LONGEST_SUFFIX = 10
_RESERVED = re.compile(r"(con|prn|aux|nul|conin|conout|clock|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that open a device on Windows, whatever ending they have."""


def adopt(path: Path, *, beside: Sequence[Path] = (), pictures: bool = False) -> tuple[FileName, ...]:
    """Make what arrived the result's files, and return their names, the model first.

    An archive is unpacked, and only its best model and what may belong to that are kept.

    path: the model, or an archive that holds it, in the result folder.
    beside: what was downloaded with it, in the same folder: materials, textures, a preview. What is no such thing but
        an error page is left out: the model is worth more.
    pictures: take a picture too, as "picture" with the ending that its bytes call for.

    Raises:
        BadResult: it is no model; what it says instead is quoted. Or it is damaged, or refers to files elsewhere.
        OSError: the folder cannot be written.
    """
    kind = _kind_of(path)
    stem = safe_name(path.name.partition(".")[0])
    others = _Companions(path.parent, taken=_own_names(path, stem))
    # Out of each other's way first: a safe name may be the one that another has.
    for number, each in enumerate(beside):
        system.replace(each, path.with_name(f"~{number}"))
    for number, each in enumerate(beside):
        others.take(path.with_name(f"~{number}"), each.name)
    if kind is Format.ZIP:
        path, kind, place = _unpacked(path, others)
    else:
        place = path.name
    if kind.is_picture:
        _check_picture(path, wanted=pictures)
        stem = "picture"
    model = path.with_name(stem + kind.suffix)
    system.replace(path, model)
    _tie(model, kind, others, place)
    return (model.name, *others.names)


def safe_name(name: str) -> str:
    """Return a file name that every system and every reader of models takes: ASCII, without spaces."""
    stem, dot, suffix = re.split(r"[/\\]", name)[-1].rpartition(".")
    if not dot:
        stem, suffix = suffix, ""
    stem, suffix = _plain(stem, _LONGEST_NAME) or "file", _plain(suffix, _LONGEST_SUFFIX)
    safe = ("_" if _RESERVED.match(stem) else "") + stem + ("." if suffix else "") + suffix
    # "0‥0" has no ending, but "0..0", which it becomes, has one: the name is what stays the same.
    return safe if safe == name else safe_name(safe)


def _plain(text: str, length: int) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_text).strip("._-")[:length].rstrip("._-")


def _own_names(path: Path, stem: str) -> set[str]:
    """Return the names that the model may get, so that nothing else has them."""
    own = {path.name, FINISHED, *(stem + each.suffix for each in Format), *("picture" + each.suffix for each in Format)}
    return {name.lower() for name in own}


@dataclass
class _Companions:
    """The files beside the model, and the names by which it may know them."""

    folder: Path
    taken: set[str]
    """Names in lower case that no other file may get."""
    names: list[str] = field(default_factory=list)
    _by_place: dict[str, str] = field(default_factory=dict)
    _by_end: dict[str, str] = field(default_factory=dict)
    _place_of: dict[str, str] = field(default_factory=dict)

    def take(self, path: Path, name: str) -> None:
        """Let a file that lies in the folder have its name, made safe; what is an error page or empty is deleted."""
        with path.open("rb") as file:
            head = file.read(formats.HEAD_SIZE)
        kind = formats.detect(head)
        if not head or kind in {Format.HTML, Format.JSON, Format.ZIP}:
            path.unlink()
            return
        suffix = _suffix_of(name, kind)
        system.replace(path, self.folder / self.add(name, ".mtl" if _LIBRARY.match(head) else suffix))

    def add(self, place: str, suffix: str | None = None) -> str:
        """Return the name, with this suffix if it is given, of a file that was called `place` where it comes from."""
        safe = safe_name(place)
        name = self._free_name(safe if suffix is None else Path(safe).stem + suffix)
        self.names.append(name)
        self.taken.add(name.lower())
        parts = _parts(place)
        self._place_of[name] = place
        self._by_place.setdefault("/".join(parts), name)
        for length in range(1, len(parts) + 1):
            self._by_end.setdefault("/".join(parts[-length:]), name)
        return name

    def find(self, reference: str, user: str) -> str | None:
        """Return the name of the file that `user`, a file called so where it comes from, refers to."""
        parts = _parts(reference)
        if near := self._by_place.get("/".join([*_parts(user)[:-1], *parts][-_DEEPEST:])):
            return near
        ends = ("/".join(parts[-length:]) for length in range(len(parts), 0, -1))
        return next((self._by_end[end] for end in ends if end in self._by_end), None)

    def place_of(self, name: str) -> str:
        """Return what a file was called where it comes from."""
        return self._place_of[name]

    @property
    def libraries(self) -> list[str]:
        return [name for name in self.names if name.lower().endswith(".mtl")]

    @property
    def textures(self) -> list[str]:
        return [name for name in self.names if Path(name).suffix.lower() in _TEXTURE_SUFFIXES]

    def _free_name(self, name: str) -> str:
        stem, suffix = Path(name).stem, Path(name).suffix
        numbered = (f"{stem}-{number}{suffix}" for number in range(2, archives.MOST_MEMBERS * 2))
        return next(each for each in (name, *numbered) if each.lower() not in self.taken)


def _parts(place: str) -> list[str]:
    """Return the last folders of a path, and its name, as they are compared: without "..", drives and case."""
    parts = unicodedata.normalize("NFC", place).replace("\\", "/").casefold().split("/")
    return [part for part in parts if part not in {"", ".", ".."}][-_DEEPEST:]


# Archives.


def _unpacked(path: Path, others: _Companions) -> tuple[Path, Format, str]:
    """Unpack the best model of an archive and what may belong to it, and delete the archive.

    Returns the model, what it is, and where it was in the archive.
    """
    made: list[Path] = []
    try:
        with archives.opened(path) as archive:
            kinds = {each: _kind_in(archive, each) for each in archive.members()}
            chosen, kind = _best(kinds)
            made.append(path.with_name(path.name + "~model"))
            archive.unpack(chosen, made[0])
            for each, its_kind in kinds.items():
                if each is not chosen and _may_belong(each, its_kind, kind):
                    made.append(others.folder / others.add(each.place, _suffix_of(each.name, its_kind)))
                    archive.unpack(each, made[-1])
        if (found := _kind_of(made[0])) is not kind:
            raise BadResult("The archive is damaged: the model in it is not what it says.")
    except BaseException:
        for each_path in made:
            each_path.unlink(missing_ok=True)
        raise
    path.unlink()
    return made[0], found, chosen.place


def _kind_in(archive: archives.Archive, member: archives.Member) -> Format | None:
    return formats.detect(archive.head(member, formats.HEAD_SIZE), member.size)


def _best(kinds: dict[archives.Member, Format | None]) -> tuple[archives.Member, Format]:
    """Return the best model of an archive.

    Raises:
        BadResult: there is none.
    """
    ranked = [
        (_PREFERRED.index(kind), -member.size, member, kind) for member, kind in kinds.items() if kind in _PREFERRED
    ]
    if not ranked:
        names = ", ".join(safe_name(each.name) for each in list(kinds)[:5])
        raise BadResult(f"What the service made is an archive without a model{f': {names}' if names else ''}.")
    _, _, best, kind = min(ranked, key=lambda each: each[:2])
    return best, kind


def _may_belong(member: archives.Member, kind: Format | None, model: Format) -> bool:
    suffix = Path(member.name).suffix.lower()
    if kind is not None:
        return kind.is_picture
    return suffix in _TEXTURE_SUFFIXES or suffix == {Format.OBJ: ".mtl", Format.GLTF: ".bin"}.get(model)


# What a file is.


def _kind_of(path: Path) -> Format:
    """Return what a file is.

    Raises:
        BadResult: it is nothing of use; what it says instead is quoted.
    """
    with path.open("rb") as file:
        head = file.read(formats.HEAD_SIZE)
        kind = formats.detect(head, path.stat().st_size)
        if kind is not None and (kind.is_mesh or kind.is_picture or kind is Format.ZIP):
            return kind
        words = _words(head + file.read(_QUOTED_BYTES - len(head)))
    if not head:
        raise BadResult("What the service made is empty.")
    raise BadResult(f"What the service made is not a model but {_called(kind)}{words}.")


def _words(text: bytes) -> str:
    """Return what a file says as the end of a sentence; nothing if it is no text."""
    if any(byte < 9 or 13 < byte < 27 for byte in text):
        return ""
    words = said(text)
    return f': "{words}"' if words else ""


def _called(kind: Format | None) -> str:
    match kind:
        case Format.HTML:
            return "a web page"
        case Format.JSON:
            return "a message"
        case _:
            return "something unknown"


def _suffix_of(name: str, kind: Format | None) -> str | None:
    """Return the suffix that a picture gets if its own says nothing: it does not stay an ".exe"."""
    is_known = Path(name).suffix.lower() in _TEXTURE_SUFFIXES
    return kind.suffix if kind and kind.is_picture and not is_known else None


def _check_picture(path: Path, *, wanted: bool) -> None:
    if not wanted:
        raise BadResult("What the service made is not a model but a picture.")
    try:
        inspect(path)
    except BadPicture as error:
        raise BadResult(f"What the service made cannot be used: {error}") from error


# What a model refers to.


def _tie(model: Path, kind: Format, others: _Companions, place: str) -> None:
    """Let a model refer to the files beside it by their names, and to nothing else.

    place: what it was called where it comes from.

    Raises:
        BadResult: it cannot do without a file that is not there.
    """
    try:
        match kind:
            case Format.OBJ:
                _tie_obj(model, others, place)
            case Format.GLTF | Format.GLB:
                _tie_gltf(model, kind, others, place)
    except (wavefront.LineTooLong, gltf.GltfError) as error:
        raise BadResult(f"The {kind.suffix} file that the service made is damaged: {error}.") from error


def _tie_obj(model: Path, others: _Companions, place: str) -> None:
    libraries, textures = others.libraries, others.textures
    used: set[str] = set()

    def find_library(word: str, reference: str) -> str | None:
        if word != "mtllib":
            return None
        found = others.find(reference, place)
        # A download has another name than the file had at the service.
        name = found if found in libraries else _only(libraries)
        used.update([name] if name else [])
        return name

    _rewrite(model, find_library, missing=lambda: [] if used else libraries)
    for library in libraries:
        user = others.place_of(library)

        def find_texture(word: str, reference: str, user: str = user) -> str | None:
            found = others.find(reference, user)
            return found if found in textures else _only(textures if word == "map_kd" else ())

        _rewrite(others.folder / library, find_texture)


def _only(names: Iterable[str]) -> str | None:
    """Return the only one of several names; nothing if there are more or none."""
    found = list(names)
    return found[0] if len(found) == 1 else None


def _rewrite(path: Path, find: wavefront.Find, missing: Callable[[], list[str]] = list) -> None:
    """Let an OBJ or MTL file name what `find` returns.

    missing: asked in the end, the libraries that an OBJ file should have named.
    """
    is_same = True
    with path.open("rb") as source:
        for old, new in wavefront.renamed(source, find):
            is_same &= old == new
    libraries = missing()
    if is_same and not libraries:
        return
    draft = path.with_name(path.name + "~")
    with path.open("rb") as source, draft.open("wb") as target:
        target.writelines(f"mtllib {library}\n".encode() for library in libraries)
        target.writelines(new for _, new in wavefront.renamed(source, find))
    system.replace(draft, path)


def _tie_gltf(model: Path, kind: Format, others: _Companions, place: str) -> None:
    document = gltf.read(model)
    if not gltf.rename_files(document, lambda reference: others.find(reference, place)):
        return
    if kind is Format.GLB:
        raise gltf.GltfError("it refers to files in other folders")
    system.write_atomically(model, json.dumps(document).encode())
