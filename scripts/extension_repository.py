# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository that Blender's Get Extensions can add by its address: files for any web server, nothing runs there."""

from __future__ import annotations

import filecmp
import json
import shutil
import tempfile
from pathlib import Path

from environment import ROOT, blender_extension_tool, give_up

INDEX = "index.json"
PAGE = "index.html"
PAGE_TEMPLATE = ROOT / "scripts" / "repository.html"


def publish(archives: dict[str, Path], folder: Path) -> None:
    """Add the zips of platforms to the repository in `folder`, and list them in its index instead of former ones.

    The index lists one zip for each platform, the last that was published. Of several, Blender would show the last in
    the index and install the first, and they are in no order. Former zips stay where they are: a Blender that synced
    yesterday still finds what was listed then, and whoever wants to go back can install it from disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for archive in archives.values():
        published = folder / archive.name
        if published.is_file() and not filecmp.cmp(published, archive, shallow=False):
            give_up(f"{published} is published with another content. Raise the version in blender_manifest.toml.")
    names = _listed(folder) | {platform: archive.name for platform, archive in archives.items()}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
        for archive in archives.values():
            shutil.copyfile(archive, folder / archive.name)
        for name in names.values():
            shutil.copyfile(folder / name, Path(temporary) / name)
        blender_extension_tool(
            "server-generate", f"--repo-dir={temporary}", "--html", f"--html-template={PAGE_TEMPLATE}"
        )
        # Last, and at once: whatever the index lists is there.
        for name in (PAGE, INDEX):
            (Path(temporary) / name).replace(folder / name)
    print(f"{folder / INDEX} lists {', '.join(sorted(names.values()))}")


def _listed(folder: Path) -> dict[str, str]:
    """Return the names of the zips in the index by their platforms."""
    index = folder / INDEX
    if not index.is_file():
        return {}
    packages = json.loads(index.read_bytes())["data"]
    return {platform: Path(each["archive_url"]).name for each in packages for platform in each["platforms"]}
