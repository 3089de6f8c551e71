# SPDX-License-Identifier: GPL-3.0-or-later
"""Our network gives what its authors' gives, as onnxruntime runs it, and always the same."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from blender_image_to_3d.offline_shape import network, raster

from ..conftest import PACKAGE, ROOT

BUNDLED = ROOT / PACKAGE / "offline_shape" / "u2netp"
PHOTOGRAPHS = ("astronaut.png", "coffee.png", "camera.png", "flower.jpg")
"""In the wheels of scikit-image and scikit-learn; one of them is grey."""

ONNX_SIDE = 320
"""The file that its wheel ships takes no other size."""


def photograph(name: str) -> np.ndarray:
    """The network's input, (3, ONNX_SIDE, ONNX_SIDE)."""
    from PIL import Image

    folders = [
        Path(found.submodule_search_locations[0]) / folder
        for package, folder in (("skimage", "data"), ("sklearn", "datasets/images"))
        if (found := importlib.util.find_spec(package)) and found.submodule_search_locations
    ]
    files = [folder / name for folder in folders if (folder / name).is_file()]
    if not files:
        pytest.skip(f"{name} of scikit-image or scikit-learn is not installed")
    with Image.open(files[0]) as image:
        planes = np.moveaxis(np.asarray(image.convert("RGB")), 2, 0).astype(np.float32)
    return network.normalised(raster.fit(planes, (ONNX_SIDE, ONNX_SIDE)))


@pytest.fixture(scope="module")
def converter() -> ModuleType:
    """scripts/convert_u2netp.py"""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import convert_u2netp
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    module: ModuleType = convert_u2netp
    return module


@pytest.fixture(scope="module")
def onnx(converter: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The network as its wheel ships it."""
    try:
        data: bytes = converter.download(Path(sys.executable), tmp_path_factory.mktemp("wheel"))
    except SystemExit:
        pytest.skip(f"pip could not download {converter.WHEEL}")
    return data


def test_it_agrees_with_onnxruntime(onnx: bytes) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more would spin, and keep the other tests from their work
    session = onnxruntime.InferenceSession(onnx, options)
    for name in PHOTOGRAPHS:
        picture = photograph(name)
        (theirs, *_) = session.run(None, {"input.1": picture[None]})
        difference = np.abs(network.saliency(picture, lambda: None) - theirs[0, 0])
        assert difference.max() < 0.1, name
        assert difference.mean() < 0.001, name


def test_the_converter_makes_the_weights_that_are_bundled(converter: ModuleType, onnx: bytes, tmp_path: Path) -> None:
    converter.convert(onnx, tmp_path / "u2netp.npz")
    assert (tmp_path / "u2netp.npz").read_bytes() == (BUNDLED / "u2netp.npz").read_bytes()


def test_the_notice_names_the_bundled_file_and_its_origin() -> None:
    sums = re.findall(r"[0-9a-f]{64}", (BUNDLED / "README.md").read_text(encoding="utf-8"))
    assert hashlib.sha256((BUNDLED / "u2netp.npz").read_bytes()).hexdigest() in sums
    assert "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8" in sums
    assert "Apache License" in (BUNDLED / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.everywhere
@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("shape", [(2, 2), (10, 10), (6, 340)])
def test_both_convolutions_are_the_definition(dilation: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(5, *shape)), rng.normal(size=(3, 5, 3, 3))
    padded = np.pad(x, ((0, 0), (dilation, dilation), (dilation, dilation)))
    expected = np.zeros((3, *shape))
    for row in range(3):
        for column in range(3):
            part = padded[:, row * dilation :, column * dilation :][:, : shape[0], : shape[1]]
            expected += np.einsum("ok,krc->orc", weight[:, :, row, column], part)
    single = x.astype(np.float32), weight.astype(np.float32)
    for product in (network._rows_of_rows, network._matmul):
        assert network._by_columns(*single, dilation, product) == pytest.approx(expected, abs=1e-4)
        if dilation == 1:
            with ThreadPoolExecutor(3) as pool:
                found = network._by_winograd(*single, product, pool, lambda: None)
            assert found == pytest.approx(expected, abs=1e-4)


def test_it_can_be_stopped_many_times_on_the_way() -> None:
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network.saliency(np.zeros((3, network.SIDE, network.SIDE), np.float32), stop)


DIGEST = """
import hashlib, os, sys
import numpy as np
os.cpu_count = lambda: int(sys.argv[1])
from blender_image_to_3d.offline_shape import network
picture = np.random.default_rng(0).normal(size=(3, network.SIDE, network.SIDE)).astype(np.float32)
print(hashlib.sha256(network.saliency(picture, lambda: None).tobytes()).hexdigest())
"""


@pytest.mark.everywhere
def test_it_does_not_depend_on_the_number_of_threads() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", DIGEST, threads],
            env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    }
    assert len(digests) == 1


@pytest.mark.everywhere
def test_both_products_of_matrices_come_to_the_same_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).normal(size=(3, network.SIDE, network.SIDE)).astype(np.float32)
    found = []
    for product in (network._rows_of_rows, network._matmul):
        monkeypatch.setattr(network, "_fastest_product", lambda product=product: product)
        found.append(network.saliency(picture, lambda: None))
    assert abs(found[0] - found[1]).max() < 1e-4
