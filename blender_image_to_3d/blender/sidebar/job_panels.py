# SPDX-License-Identifier: GPL-3.0-or-later
"""The lower half of the sidebar: Generate, the jobs, the history, and the object that is selected.

Drawing only reads what the session knows; it computes nothing and touches no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
from bpy.props import StringProperty

from ..form import previews, scene_form
from ..importing.origin import JOB_KEY, PREFIX, root_of
from ..interface import redraw
from ..interface.texts import CONTEXT, draw_wrapped, tr, tr_problem
from ..session import current
from . import readiness

if TYPE_CHECKING:
    from ..session.history import Entry
    from ..session.job_rows import Row
    from ..session.session import Session

_ROWS_SHOWN = 12
_RING_STEPS = 8
_RING_WIDTH = 20
_PAGE = 8
"""Models of the history that are shown at once."""


_SHOWN_ABOVE = {"job", "provider", "model", "image", "image_sha256", "created", "cost", "request"}


class _Page:
    """Which part of the history is shown."""

    number = 0
    words = ""


def turn_page(step: int) -> None:
    """Show older (1) or newer (-1) models."""
    _Page.number = max(0, _Page.number + step)


def draw_generate(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draw the button, and one quiet line about what it does or why it cannot be pressed."""
    ready = readiness.of_form(context.scene)
    button = layout.row()
    button.scale_y = 1.6
    button.operator("image_to_3d.start", icon="SHADERFX")
    if ready.fix:
        draw_wrapped(layout, context, ready.line, active=False)
        layout.operator(ready.fix)
    else:
        draw_wrapped(layout, context, ready.line, active=False)


class _Tab:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = redraw.CATEGORY
    bl_translation_context = CONTEXT


class IMAGE_TO_3D_PT_generate(_Tab, bpy.types.Panel):
    """Below the sub-panels of the form."""

    bl_label = "Generate"
    bl_parent_id = "IMAGE_TO_3D_PT_main"
    bl_options = {"HIDE_HEADER"}
    bl_order = 9

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return scene_form.is_ready()

    def draw(self, context: bpy.types.Context) -> None:
        draw_generate(self.layout, context)


class IMAGE_TO_3D_PT_jobs(_Tab, bpy.types.Panel):
    bl_label = ""  # with their number, in the header
    bl_order = 10

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        session = current.if_open()
        return session is not None and bool(session.rows)

    def draw_header(self, context: bpy.types.Context) -> None:
        session = current.if_open()
        number = sum(row.is_active for row in session.rows) if session else 0
        self.layout.label(text=tr("Jobs ({number})").format(number=number) if number else tr("Jobs"), translate=False)

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        session = current.if_open()
        if session and any(_is_worthless(row) for row in session.rows):
            self.layout.operator("image_to_3d.clear", text="", icon="TRASH", emboss=False)

    def draw(self, context: bpy.types.Context) -> None:
        from ..session.job_rows import most_important

        session = current.session()
        for row in most_important(session.rows, _ROWS_SHOWN):
            _draw_row(self.layout.column(align=True), context, session, row)
        if (more := len(session.rows) - _ROWS_SHOWN) > 0:
            self.layout.label(text=tr("and {number} more").format(number=more))


def _is_worthless(row: Row) -> bool:
    return row.worth == 0 and not row.is_active


def _draw_row(column: bpy.types.UILayout, context: bpy.types.Context, session: Session, row: Row) -> None:
    from ..session.job_rows import duration, state_text

    head = column.row(align=True)
    icon = previews.picture_icon(row.picture) if row.picture else 0
    head.label(text=row.title, translate=False, **({"icon_value": icon} if icon else {"icon": "IMAGE_DATA"}))
    if row.is_active:
        time = head.row()
        time.alignment = "RIGHT"
        time.active = False
        time.label(text=duration(row.elapsed_seconds()), translate=False)
        if row.can_cancel:
            head.operator("image_to_3d.cancel", text="", icon="X", emboss=False).job = row.key
    else:
        _draw_menu(head, row)
    text = state_text(row, session.usual.of(row.provider))
    if row.is_active:
        _draw_progress(column, context, row, f"{row.label} · {text}")
    else:
        draw_wrapped(column, context, text, active=False)
    _draw_next_steps(column, row)
    column.separator()


def _draw_progress(column: bpy.types.UILayout, context: bpy.types.Context, row: Row, text: str) -> None:
    progress = row.progress()
    if progress is not None:
        column.progress(factor=progress, text=f"{progress:.0%}", translate=False)
        draw_wrapped(column, context, text, active=False)
        return
    # Nobody knows how far it is: something turns, and says no number.
    line = column.row(align=True)
    ring = line.row()
    ring.alignment = "LEFT"
    ring.progress(factor=int(row.elapsed_seconds()) % _RING_STEPS / _RING_STEPS, type="RING", text="")
    draw_wrapped(line, context, text, active=False, beside=_RING_WIDTH)


def _draw_next_steps(column: bpy.types.UILayout, row: Row) -> None:
    from ..session.job_rows import Step, next_steps

    buttons = {
        Step.IMPORT: ("image_to_3d.import_result", "Import"),
        Step.IMPORT_NOW: ("image_to_3d.import_result", "Import Now"),
        Step.RESUME: ("image_to_3d.resume", "Try Again"),
        Step.CHECK_AGAIN: ("image_to_3d.resume", "Check Again"),
        Step.SEND_AGAIN: ("image_to_3d.send_again", "Send Again"),
        Step.GENERATE_AGAIN: ("image_to_3d.generate_again", "Generate Again"),
        Step.PREFERENCES: ("image_to_3d.open_preferences", "Preferences"),
        Step.ACCOUNT: ("wm.url_open", "Open Account"),
        Step.ALLOW_ONLINE: ("image_to_3d.allow_online", "Allow Online Access"),
    }
    line = column.row(align=True)
    for step in next_steps(row):
        name, text = buttons[step]
        button = line.operator(name, text=text)
        if step is Step.ACCOUNT:
            button.url = row.account_url
        elif hasattr(button, "job"):
            button.job = row.key


def _draw_menu(line: bpy.types.UILayout, row: Row) -> None:
    if row.folder is None:
        line.operator("image_to_3d.copy_error", text="", icon="COPYDOWN", emboss=False).job = row.key
        line.operator("image_to_3d.dismiss", text="", icon="X", emboss=False).job = row.key
        return
    _open_menu(line, row.key)


def _open_menu(line: bpy.types.UILayout, key: str) -> None:
    """Draw a button that opens a menu about one job."""
    line.operator("image_to_3d.job_menu", text="", icon="DOWNARROW_HLT", emboss=False).job = key


class IMAGE_TO_3D_OT_job_menu(bpy.types.Operator):
    """More that can be done with this job"""

    bl_idname = "image_to_3d.job_menu"
    bl_label = "More"
    bl_translation_context = CONTEXT  # Blender's own says what more there is to select
    bl_options = {"INTERNAL"}
    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        key = self.job
        is_stopped = current.session().history.get(key) is None

        def draw(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
            # A menu runs its operators without asking anything, unless told otherwise: these pay, or delete.
            menu.layout.operator_context = "INVOKE_DEFAULT"
            names = ["use_settings", "generate_again", "open_folder"]
            names += ["copy_error", "dismiss"] if is_stopped else []
            for name in names:
                menu.layout.operator(f"image_to_3d.{name}").job = key
            menu.layout.separator()
            menu.layout.operator("image_to_3d.delete", icon="TRASH").job = key

        context.window_manager.popup_menu(draw)
        return {"FINISHED"}


class IMAGE_TO_3D_PT_history(_Tab, bpy.types.Panel):
    bl_label = "History"
    bl_order = 11
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return current.if_open() is not None

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        self.layout.operator("image_to_3d.refresh", text="", icon="FILE_REFRESH", emboss=False)

    def draw(self, context: bpy.types.Context) -> None:
        session = current.session()
        layout = self.layout
        if session.history.problem is not None:
            draw_wrapped(layout, context, tr_problem(str(session.history.problem)))
            return
        entries = session.history.entries(_Page.words)
        if not entries and not _Page.words:
            layout.label(text="Finished models appear here")
            return
        layout.prop(context.window_manager, "image_to_3d_filter", text="", icon="VIEWZOOM")
        first = min(_Page.number, max(0, len(entries) - 1) // _PAGE) * _PAGE
        for entry in entries[first : first + _PAGE]:
            _draw_entry(layout.row(align=True), entry)
        if len(entries) > _PAGE:
            _draw_pages(layout.row(align=True), first, len(entries))


def _draw_entry(line: bpy.types.UILayout, entry: Entry) -> None:
    icon = previews.job_icon(entry.folder.path, entry.picture)
    line.template_icon(icon_value=icon, scale=2.0)
    words = line.column(align=True)
    words.scale_y = 0.9
    words.label(text=entry.title, translate=False)
    quiet = words.row()
    quiet.active = False
    quiet.label(text=entry.when, translate=False)
    tools = line.row(align=True)
    tools.scale_y = 1.8
    tools.operator("image_to_3d.import_result", text="", icon="IMPORT").job = entry.folder.id
    _open_menu(tools, entry.folder.id)


def _draw_pages(line: bpy.types.UILayout, first: int, number: int) -> None:
    newer = line.row()
    newer.enabled = first > 0
    newer.operator("image_to_3d.show_page", text="", icon="TRIA_LEFT").step = -1
    middle = line.row()
    middle.alignment = "CENTER"
    shown = tr("{first} to {last} of {number}")
    middle.label(text=shown.format(first=first + 1, last=min(first + _PAGE, number), number=number), translate=False)
    older = line.row()
    older.enabled = first + _PAGE < number
    older.operator("image_to_3d.show_page", text="", icon="TRIA_RIGHT").step = 1


class IMAGE_TO_3D_PT_object(_Tab, bpy.types.Panel):
    bl_label = "This Object"
    bl_order = 12

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return root_of(context.object) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        root = root_of(context.object)
        session = current.if_open()
        entry = session.history.get(str(root[JOB_KEY])) if session else None
        head = layout.row(align=True)
        if entry is not None:
            head.template_icon(icon_value=previews.job_icon(entry.folder.path, entry.picture), scale=3.0)
        facts = head.column(align=True)
        facts.label(text=str(_fact(root, "image") or root.name), translate=False)
        for line in (" · ".join(_made_by(root)), str(_fact(root, "created"))[:10], str(_fact(root, "cost"))):
            if line:
                quiet = facts.row()
                quiet.active = False
                quiet.label(text=line, translate=False)
        for note in entry.notes if entry else ():
            draw_wrapped(layout, context, tr_problem(note), icon="INFO")
        if session is not None:
            buttons = layout.column(align=True)
            buttons.operator("image_to_3d.regenerate").in_place = False
            buttons.operator("image_to_3d.regenerate", text="Replace the Mesh").in_place = True
            buttons.operator("image_to_3d.use_settings")


class IMAGE_TO_3D_PT_parameters(_Tab, bpy.types.Panel):
    bl_label = "Parameters"
    bl_parent_id = "IMAGE_TO_3D_PT_object"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        root = root_of(context.object)
        table = self.layout.column(align=True)
        for key in root.keys():
            name = key.removeprefix(PREFIX)
            if name != key and name not in _SHOWN_ABOVE:
                line = table.split(factor=0.5)
                line.label(text=name.replace("_", " ").title())
                line.label(text=_short(root[key]), translate=False)


def _made_by(root: bpy.types.Object) -> list[str]:
    provider, model = str(_fact(root, "provider")), str(_fact(root, "model"))
    return [each for each in (scene_form.label_of(provider), model) if each]


def _fact(root: bpy.types.Object, name: str) -> object:
    return root.get(f"{PREFIX}{name}", "")


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def draw_in_status_bar(header: bpy.types.Header, context: bpy.types.Context) -> None:
    """Say how many jobs are active, where the list of them is not to be seen."""
    session = current.if_open()
    number = sum(row.is_active for row in session.rows) if session else 0
    if number and not redraw.is_tab_visible():
        text = tr("1 job") if number == 1 else tr("{number} jobs").format(number=number)
        header.layout.label(text=text, translate=False, icon="SHADERFX")


def _words(self: bpy.types.WindowManager) -> str:
    return _Page.words


def _set_words(self: bpy.types.WindowManager, value: str) -> None:
    _Page.words, _Page.number = value, 0


CLASSES = (
    IMAGE_TO_3D_OT_job_menu,
    IMAGE_TO_3D_PT_generate,
    IMAGE_TO_3D_PT_jobs,
    IMAGE_TO_3D_PT_history,
    IMAGE_TO_3D_PT_object,
    IMAGE_TO_3D_PT_parameters,
)


def register() -> None:
    # With get and set nothing is stored: the names of other models have no business in a .blend.
    bpy.types.WindowManager.image_to_3d_filter = StringProperty(
        name="Filter",
        description="Show only models with this in their name",
        get=_words,
        set=_set_words,
        options={"TEXTEDIT_UPDATE"},
    )
    bpy.types.STATUSBAR_HT_header.append(draw_in_status_bar)


def unregister() -> None:
    bpy.types.STATUSBAR_HT_header.remove(draw_in_status_bar)
    del bpy.types.WindowManager.image_to_3d_filter
