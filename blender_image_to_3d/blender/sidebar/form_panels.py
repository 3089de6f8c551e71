# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab of the sidebar as far as it is filled in: picture, provider, views, options, placement; and the presets.

Drawing takes everything from the scene and from what `scene_form` keeps: it reads no file and imports no package.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

from ..form import picture_choice, previews, scene_form
from ..form.fields import Field
from ..interface import redraw
from ..interface.texts import CONTEXT, draw_wrapped

_NARROW = 230
"""Width of the region, in pixels at 1x, below which labels go into the fields, as there is no room beside them."""
_LABEL_SHARE = 0.2
_MARGINS = 2.6
"""Of a region on both sides of a panel's content, with the tabs, in units of the interface: the height of a button."""

_HEIGHT_WITHOUT_PICTURE = 2.0
_LARGEST_PICTURE = 12.0
"""In the same units."""


class _InTab:
    """Where all panels of the add-on are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = redraw.CATEGORY
    bl_translation_context = CONTEXT


class _OfForm(_InTab):
    """A part of the main panel, closed until it is needed."""

    bl_parent_id = "IMAGE_TO_3D_PT_main"
    bl_options = {"DEFAULT_CLOSED"}


class IMAGE_TO_3D_PT_main(_InTab, bpy.types.Panel):
    bl_label = "Image to 3D"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        if not scene_form.is_ready():
            if sentence := scene_form.problem():
                draw_wrapped(layout, context, sentence, icon="ERROR")
            return
        _draw_picture(layout, context)
        picture_choice.draw_source_row(layout, context, scene_form.FRONT)
        _draw_provider(layout, context)


class IMAGE_TO_3D_PT_views(_OfForm, bpy.types.Panel):
    bl_label = "Views"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return scene_form.is_ready() and bool(scene_form.sides(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        is_narrow = _is_narrow(context)
        for side in scene_form.sides(context.scene):
            row = self.layout.column(align=True) if is_narrow else self.layout.split(factor=_LABEL_SHARE)
            row.label(text=side.title())
            picture_choice.draw_source_row(row, context, side)


class IMAGE_TO_3D_PT_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Option Presets"
    preset_operator = "script.execute_preset"
    preset_add_operator = "image_to_3d.preset_add"

    @property
    def preset_subdir(self) -> str:
        return scene_form.preset_folder(bpy.context.scene)


class IMAGE_TO_3D_PT_options(_OfForm, bpy.types.Panel):
    bl_label = "Options"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return scene_form.is_ready() and bool(scene_form.fields(context.scene))

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        IMAGE_TO_3D_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        _draw_options(self.layout, context, are_advanced=False)


class IMAGE_TO_3D_PT_advanced(_OfForm, bpy.types.Panel):
    bl_label = "Advanced"
    bl_parent_id = "IMAGE_TO_3D_PT_options"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return scene_form.is_ready() and any(field.is_advanced for field in scene_form.fields(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        _draw_options(self.layout, context, are_advanced=True)


class IMAGE_TO_3D_PT_placement(_OfForm, bpy.types.Panel):
    bl_label = "Placement"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return scene_form.is_ready()

    def draw(self, context: bpy.types.Context) -> None:
        _draw_fields(self.layout, context, scene_form.of(context.scene).placement, scene_form.PLACEMENT)


class IMAGE_TO_3D_OT_preset_add(AddPresetBase, bpy.types.Operator):
    """Add or remove a preset of these options"""

    bl_idname = "image_to_3d.preset_add"
    bl_label = "Add Option Preset"
    preset_menu = "IMAGE_TO_3D_PT_presets"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return scene_form.is_ready()

    @property
    def preset_subdir(self) -> str:
        return scene_form.preset_folder(bpy.context.scene)

    def add(self, context: bpy.types.Context, filepath: str) -> None:
        """Write the preset: what Blender would write by itself has 17 digits for each number."""
        group = scene_form.options(context.scene)
        values = {
            name: value for field in scene_form.fields(context.scene) for name, value in field.preset(group).items()
        }
        lines = [
            "import bpy",
            f"options = bpy.context.scene.image_to_3d.options.{scene_form.entry(context.scene).id}",
            *(f"options.{name} = {value!r}" for name, value in values.items()),
        ]
        Path(filepath).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _draw_picture(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draw what will be sent, as large as the sidebar is wide."""
    picture = scene_form.picture(context.scene)
    if picture is None:
        button = layout.column()
        button.scale_y = _HEIGHT_WITHOUT_PICTURE
        button.operator("image_to_3d.open_picture", text="Open Picture")
        return
    icon = previews.image_icon(picture) if isinstance(picture, bpy.types.Image) else previews.picture_icon(picture)
    unit = 20 * context.preferences.system.ui_scale
    layout.template_icon(icon_value=icon, scale=min(_LARGEST_PICTURE, context.region.width / unit - _MARGINS))


def _draw_provider(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    form, scene = scene_form.of(context.scene), context.scene
    without_label = {"text": ""} if _is_narrow(context) else {}  # what they are speaks for itself
    column = layout.column()
    column.use_property_split = not without_label
    column.use_property_decorate = False
    column.prop(form, "provider", **without_label)
    if scene_form.has_choice_of_models(scene):
        column.prop(form.models, scene_form.entry(scene).id, **without_label)


def _draw_options(layout: bpy.types.UILayout, context: bpy.types.Context, *, are_advanced: bool) -> None:
    shown = [field for field in scene_form.effective_fields(context.scene) if field.is_advanced is are_advanced]
    _draw_fields(layout, context, scene_form.options(context.scene), shown)


def _draw_fields(
    layout: bpy.types.UILayout, context: bpy.types.Context, group: bpy.types.PropertyGroup, shown: Iterable[Field]
) -> None:
    is_narrow = _is_narrow(context)
    layout.use_property_split = not is_narrow
    layout.use_property_decorate = False
    column = layout.column()
    for field in shown:
        field.draw(column, group, is_narrow=is_narrow)


def _is_narrow(context: bpy.types.Context) -> bool:
    return context.region.width < _NARROW * context.preferences.system.ui_scale


CLASSES: tuple[Any, ...] = (
    IMAGE_TO_3D_PT_main,
    IMAGE_TO_3D_PT_views,
    IMAGE_TO_3D_PT_presets,
    IMAGE_TO_3D_PT_options,
    IMAGE_TO_3D_PT_advanced,
    IMAGE_TO_3D_PT_placement,
    IMAGE_TO_3D_OT_preset_add,
)
