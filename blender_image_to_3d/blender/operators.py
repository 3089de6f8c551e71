# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators for menus and scripts: each reads what was asked, has it done, and reports."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from ..errors import BadOption, ImageTo3DError
from ..host import dependencies

_FOR_SCRIPTS = {"SKIP_SAVE", "HIDDEN"}
_SPOTS = (
    ("cursor", "3D Cursor", "At the 3D cursor"),
    ("cursor_now", "3D Cursor Later", "Where the 3D cursor is when the model arrives"),
    ("origin", "World Origin", "At the origin of the world"),
)
_STANCES = (
    ("ground", "On the Ground", "The middle of its underside is put there"),
    ("centre", "Centered", "The middle of its bounding box is put there"),
    ("file", "As in the File", "The origin of the file is put there"),
)


class IMAGE_TO_3D_OT_generate(bpy.types.Operator):
    """Make a textured mesh from a picture, and wait until it is in the scene"""

    bl_idname = "image_to_3d.generate"
    bl_label = "Generate 3D Model from Image"
    # Not REGISTER: adjusting a setting afterwards would buy again. INTERNAL: who searches finds what does not wait.
    bl_options = {"UNDO", "INTERNAL"}

    filepath: StringProperty(
        name="Picture", description="The file that shows the front", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    image: StringProperty(
        name="Image", description="Instead of a file, the name of an image in this .blend", options=_FOR_SCRIPTS
    )
    views: StringProperty(
        name="Views", description='JSON: further files by side, such as {"back": "…"}', options=_FOR_SCRIPTS
    )
    provider: StringProperty(name="Provider", description="Who makes the model", default="offline_shape")
    model: StringProperty(name="Model", description="The provider's model; empty for its first", options=_FOR_SCRIPTS)
    options: StringProperty(
        name="Options",
        description="JSON: the provider's options by name; the others have their defaults",
        options=_FOR_SCRIPTS,
    )
    object_name: StringProperty(
        name="Name", description="Of the object; empty for the picture's", options={"SKIP_SAVE"}
    )
    spot: EnumProperty(name="Place", description="Where the model is put", items=_SPOTS)
    stance: EnumProperty(name="Stance", description="How it stands there", items=_STANCES)
    height: FloatProperty(
        name="Height", description="Scale it to this height; 0 leaves it as the file says", min=0.0, subtype="DISTANCE"
    )
    collection: StringProperty(name="Collection", description="Made if it is missing; empty for the active one")
    again: BoolProperty(
        name="Again", description="Buy anew what was bought before", default=False, options={"SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Without a picture, let the user choose some, and do not wait for their models."""
        if self.filepath or self.image:
            return self.execute(context)
        return bpy.ops.image_to_3d.import_pictures("INVOKE_DEFAULT")

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            self._generate()
        except ImageTo3DError as error:
            self.report({"ERROR"}, f"{error} {error.hint}".strip())
            return {"CANCELLED"}
        except ModuleNotFoundError as error:
            self.report({"ERROR"}, f"The Python package {error.name} is missing. Install the extension again")
            return {"CANCELLED"}
        return {"FINISHED"}

    def _generate(self) -> None:
        dependencies.check()
        from ..models import Placement, Spot, Stance
        from . import scripting

        placement = Placement(
            spot=Spot(self.spot),
            stance=Stance(self.stance),
            height=self.height or None,
            collection=self.collection or None,
        )
        scripting.generate(
            self._picture(),
            provider=self.provider,
            views={side: Path(bpy.path.abspath(file)) for side, file in _json_object("views", self.views).items()},
            model=self.model or None,
            options=_json_object("options", self.options),
            placement=placement,
            name=self.object_name or None,
            again=self.again,
        )

    def _picture(self) -> Path | bpy.types.Image:
        if not self.image and not self.filepath:
            raise BadOption("No picture was named.", hint='Give "filepath", or "image".')
        if not self.image:
            return Path(bpy.path.abspath(self.filepath))
        image = bpy.data.images.get(self.image)
        if image is None:
            raise BadOption(f'There is no image "{self.image}" in this file.')
        return image


def _json_object(name: str, text: str) -> dict[str, str]:
    import json

    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadOption(f'"{name}" is not a JSON object: "{text}".')
    return value


CLASSES = (IMAGE_TO_3D_OT_generate,)
