# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the panel's pictures come from: a file, the clipboard, the viewport, an image of this .blend, a drop."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import NamedTuple

import bpy
from bpy.app.handlers import persistent
from bpy.props import CollectionProperty, EnumProperty, StringProperty

from ...errors import BadPicture, ImageTo3DError
from ...pictures.facts import PictureFormat
from ...pictures.inspect import inspect
from ..interface import redraw
from ..interface.texts import tr, tr_error
from . import clipboard, viewport
from .clipboard import clipboard_has_picture

_SUFFIXES = tuple(suffix for each in PictureFormat for suffix in each.suffixes)
_SIDES = (
    ("front", "Front", "The picture of the front"),
    ("back", "Back", "The picture of the back"),
    ("left", "Left", "The picture of the left side"),
    ("right", "Right", "The picture of the right side"),
    ("mask", "Mask", "The picture that is white where the front shows the subject"),
)
_MADE_HERE = "image_to_3d_source"
"""A custom property of images that were made for the panel, and go when nothing uses them any more."""

_DRAWN_SECONDS = 0.2
"""When a sidebar that was closed has its tabs."""

_THUMBNAILS = (("THUMBNAIL", "Thumbnails", "Display files as thumbnails", 3),)
"""As the file browser numbers it."""


class Slot(NamedTuple):
    """Where the form keeps the picture of one side: at most one of the two properties is set."""

    group: bpy.types.PropertyGroup
    path: str
    image: str


def slot(form: bpy.types.PropertyGroup, side: str) -> Slot:
    if side == "front":
        return Slot(form, "picture_path", "picture_image")
    return Slot(form.views, f"{side}_path", f"{side}_image")


def choose_file(form: bpy.types.PropertyGroup, side: str, path: Path) -> None:
    """Make a file the picture of one side.

    Raises:
        BadPicture: it cannot be used.
    """
    inspect(path)
    text = str(path)
    if bpy.context.preferences.filepaths.use_relative_paths and bpy.data.filepath:
        try:
            text = bpy.path.relpath(text)
        except ValueError:
            pass  # it is on another drive
    _choose(slot(form, side), text, None)


def choose_image(form: bpy.types.PropertyGroup, side: str, image: bpy.types.Image) -> None:
    """Make an image of this .blend the picture of one side."""
    _choose(slot(form, side), "", image)


def _choose(place: Slot, path: str, image: bpy.types.Image | None) -> None:
    before = getattr(place.group, place.image)
    # What is set clears the other one, so it comes last.
    if image is None:
        setattr(place.group, place.image, None)
        setattr(place.group, place.path, path)
    else:
        setattr(place.group, place.path, "")
        setattr(place.group, place.image, image)
    if before is not None and before != image and before.get(_MADE_HERE) and not before.users:
        bpy.data.images.remove(before)


def draw_source_row(layout: bpy.types.UILayout, context: bpy.types.Context, side: str) -> None:
    """Draw the name of a side's picture, and the buttons that choose another one."""
    place = slot(context.scene.image_to_3d, side)
    row = layout.row(align=True)
    if getattr(place.group, place.image) is None:
        row.prop(place.group, place.path, text="", placeholder="No picture")
    else:
        row.prop(place.group, place.image, text="")
    row.operator(IMAGE_TO_3D_OT_open_picture.bl_idname, text="", icon="FILE_FOLDER").side = side
    if clipboard_has_picture():
        row.operator(IMAGE_TO_3D_OT_paste_picture.bl_idname, text="", icon="PASTEDOWN").side = side
    row.context_string_set("image_to_3d_side", side)
    row.menu(IMAGE_TO_3D_MT_sources.bl_idname, text="", icon="DOWNARROW_HLT")


def _is_form_ready(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    if hasattr(context.scene, "image_to_3d"):
        return True
    operator.poll_message_set("The panel is not ready yet")
    return False


class _Chooser:
    """What the operators share that choose a picture."""

    bl_options = {"INTERNAL", "UNDO"}

    side: EnumProperty(name="Side", description="What the picture shows", items=_SIDES, options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _is_form_ready(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            self.choose(context)
        except ImageTo3DError as error:
            self.report({"ERROR"}, tr_error(error))
            return {"CANCELLED"}
        redraw.tabs()
        return {"FINISHED"}


class IMAGE_TO_3D_OT_open_picture(_Chooser, bpy.types.Operator):
    """Choose the file of a picture to make a 3D model from"""

    bl_idname = "image_to_3d.open_picture"
    bl_label = "Open Picture"
    bl_options = {"UNDO"}

    filepath: StringProperty(name="Picture", subtype="FILE_PATH", options={"SKIP_SAVE", "HIDDEN"})
    filter_glob: StringProperty(default=";".join(f"*{each}" for each in _SUFFIXES), options={"HIDDEN"})
    display_type: EnumProperty(items=_THUMBNAILS, options={"SKIP_SAVE", "HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        place = slot(context.scene.image_to_3d, self.side)
        self.filepath = self.filepath or bpy.path.abspath(getattr(place.group, place.path))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def choose(self, context: bpy.types.Context) -> None:
        choose_file(context.scene.image_to_3d, self.side, Path(bpy.path.abspath(self.filepath)))


class IMAGE_TO_3D_OT_paste_picture(_Chooser, bpy.types.Operator):
    """Paste a picture from the clipboard, or the file of one"""

    bl_idname = "image_to_3d.paste_picture"
    bl_label = "Paste Picture"

    def choose(self, context: bpy.types.Context) -> None:
        pasted = clipboard.paste()
        if isinstance(pasted, Path):
            choose_file(context.scene.image_to_3d, self.side, pasted)
        else:
            pasted[_MADE_HERE] = "clipboard"
            choose_image(context.scene.image_to_3d, self.side, pasted)


class IMAGE_TO_3D_OT_use_view(_Chooser, bpy.types.Operator):
    """Take a picture of this 3D viewport, without its background, grid and handles"""

    bl_idname = "image_to_3d.use_view"
    bl_label = "This View"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.area is None or context.area.type != "VIEW_3D":
            cls.poll_message_set("Only in a 3D viewport")
            return False
        return _is_form_ready(cls, context)

    def choose(self, context: bpy.types.Context) -> None:
        image = viewport.picture(context, tr("View"))
        image[_MADE_HERE] = "view"
        choose_image(context.scene.image_to_3d, self.side, image)


def usable_images() -> list[bpy.types.Image]:
    """Return the images of this .blend that a model can be made from."""
    return [each for each in bpy.data.images if _is_usable(each)]


def _is_usable(image: bpy.types.Image) -> bool:
    if image.type == "RENDER_RESULT":
        return _has_rendered
    if image.source == "VIEWER":
        return image.has_data
    return image.source in {"FILE", "GENERATED", "TILED"}


_has_rendered = False
"""Whether there is a render: the image called Render Result does not say."""


@persistent
def _note_render(*arguments: object) -> None:
    global _has_rendered
    _has_rendered = True


@persistent
def _forget_render(*arguments: object) -> None:
    global _has_rendered
    _has_rendered = False


def register() -> None:
    bpy.app.handlers.render_complete.append(_note_render)
    bpy.app.handlers.load_pre.append(_forget_render)


def unregister() -> None:
    bpy.app.handlers.render_complete.remove(_note_render)
    bpy.app.handlers.load_pre.remove(_forget_render)


_Item = tuple[str, str, str, str, int]
_listed: list[_Item] = []
"""Blender keeps no reference to the texts of a list that is made while it runs."""


def _list_images(operator: bpy.types.Operator, context: bpy.types.Context | None) -> list[_Item]:
    _listed[:] = [(each.name, each.name, "", "IMAGE_DATA", number) for number, each in enumerate(usable_images())]
    return _listed


class IMAGE_TO_3D_OT_use_image(_Chooser, bpy.types.Operator):
    """Use an image of this file, such as a texture or the last render"""

    bl_idname = "image_to_3d.use_image"
    bl_label = "Image in This File"
    bl_property = "choice"

    name: StringProperty(name="Image", description="Its name in this file", options={"SKIP_SAVE", "HIDDEN"})
    choice: EnumProperty(name="Image", items=_list_images, options={"SKIP_SAVE", "HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.name:
            return self.execute(context)
        if not usable_images():
            self.report({"WARNING"}, "There is no image in this file")
            return {"CANCELLED"}
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def choose(self, context: bpy.types.Context) -> None:
        name = self.name or self.choice
        image = bpy.data.images.get(name)
        if image is None:
            raise BadPicture(f'There is no image "{name}" in this file.')
        if image.source in {"MOVIE", "SEQUENCE"}:
            raise BadPicture(f'"{name}" is not a single image.', hint="Save one of its frames and choose that.")
        choose_image(context.scene.image_to_3d, self.side, image)


class IMAGE_TO_3D_OT_clear_picture(_Chooser, bpy.types.Operator):
    """Choose no picture"""

    bl_idname = "image_to_3d.clear_picture"
    bl_label = "Clear"

    def choose(self, context: bpy.types.Context) -> None:
        _choose(slot(context.scene.image_to_3d, self.side), "", None)


class IMAGE_TO_3D_OT_drop_pictures(bpy.types.Operator):
    """Use a picture in the sidebar; of several, make a 3D model each with the settings there"""

    bl_idname = "image_to_3d.drop_pictures"
    bl_label = "Generate 3D Model"
    bl_options = {"INTERNAL", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"})
    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _is_form_ready(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        paths = [Path(self.directory, each.name) for each in self.files if each.name] or [Path(self.filepath)]
        try:
            if len(paths) == 1:
                choose_file(context.scene.image_to_3d, "front", paths[0])
                _show_sidebar(context)
            else:
                files = [{"name": path.name} for path in paths]
                return bpy.ops.image_to_3d.import_pictures("INVOKE_DEFAULT", directory=self.directory, files=files)
        except ImageTo3DError as error:
            self.report({"ERROR"}, tr_error(error))
            return {"CANCELLED"}
        redraw.tabs()
        return {"FINISHED"}


class IMAGE_TO_3D_FH_pictures(bpy.types.FileHandler):
    bl_idname = "IMAGE_TO_3D_FH_pictures"
    bl_label = "Generate 3D Model"
    bl_import_operator = IMAGE_TO_3D_OT_drop_pictures.bl_idname
    bl_file_extensions = ";".join(_SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return bool(context.area and context.area.type == "VIEW_3D" and hasattr(context.scene, "image_to_3d"))


class IMAGE_TO_3D_MT_sources(bpy.types.Menu):
    """Other pictures"""

    bl_idname = "IMAGE_TO_3D_MT_sources"
    bl_label = "Picture From"

    def draw(self, context: bpy.types.Context) -> None:
        side = getattr(context, "image_to_3d_side", "front")
        layout = self.layout
        render = next((each for each in bpy.data.images if each.type == "RENDER_RESULT"), None)
        row = layout.row()
        row.enabled = render is not None and _has_rendered
        button = row.operator(IMAGE_TO_3D_OT_use_image.bl_idname, text="Render Result", icon="RENDER_RESULT")
        button.side, button.name = side, render.name if render else "Render Result"
        layout.operator(IMAGE_TO_3D_OT_use_view.bl_idname, icon="VIEW3D").side = side
        # A menu runs its operators without asking them anything, unless told otherwise.
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator(IMAGE_TO_3D_OT_use_image.bl_idname, text="Image in This File...", icon="IMAGE_DATA").side = side
        layout.separator()
        layout.operator(IMAGE_TO_3D_OT_clear_picture.bl_idname, icon="X").side = side


def _show_sidebar(context: bpy.types.Context) -> None:
    """Show where a dropped picture went."""
    if context.area is None or context.area.type != "VIEW_3D":
        return
    context.area.spaces.active.show_region_ui = True
    bpy.app.timers.register(functools.partial(_select_tab, context.area.as_pointer()), first_interval=_DRAWN_SECONDS)


def _select_tab(area_pointer: int) -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.as_pointer() == area_pointer:
                sidebar = next(each for each in area.regions if each.type == "UI")
                with contextlib.suppress(AttributeError, TypeError):  # it is not drawn yet, or has no such tab
                    sidebar.active_panel_category = redraw.CATEGORY
                sidebar.tag_redraw()


CLASSES: tuple[type, ...] = (
    IMAGE_TO_3D_OT_open_picture,
    IMAGE_TO_3D_OT_paste_picture,
    IMAGE_TO_3D_OT_use_view,
    IMAGE_TO_3D_OT_use_image,
    IMAGE_TO_3D_OT_clear_picture,
    IMAGE_TO_3D_OT_drop_pictures,
    IMAGE_TO_3D_FH_pictures,
    IMAGE_TO_3D_MT_sources,
)
