# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: render a GLB from some sides: … -- FILE.glb SIZE ANGLE=FILE.png …"""

import os
import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))

import render

SAMPLES = 8
"""Of pictures that are shown small."""


def main(model: str, size: str, *looks: str) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.import_scene.gltf(filepath=model)
    scene = bpy.context.scene
    render.set_up(scene)
    scene.cycles.samples = SAMPLES
    scene.render.resolution_x = scene.render.resolution_y = int(size)
    for look in looks:
        angle, scene.render.filepath = look.split("=", 1)
        render.look(scene, float(angle))
        bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main(*sys.argv[sys.argv.index("--") + 1 :])
    sys.stdout.flush()
    os._exit(0)
