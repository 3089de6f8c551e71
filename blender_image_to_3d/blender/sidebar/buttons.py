# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the sidebar: read what is chosen, call the session, report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy.props import BoolProperty, CollectionProperty, StringProperty

from ...host import dependencies
from .. import EXTENSION
from ..interface.texts import tr, tr_error, tr_problem, tr_report
from ..session import current
from . import readiness

if TYPE_CHECKING:
    from ..form.scene_form import Chosen
    from ..session.session import Session

_PICTURES = "*.png;*.jpg;*.jpeg;*.webp;*.tif;*.tiff;*.bmp;*.tga;*.exr"


def _reported(operator: bpy.types.Operator, step: Callable[..., set[str]], *arguments: object) -> set[str]:
    """Do a step, or let the operator say in words why it cannot be done."""
    from ...errors import BrokenPackage, ImageTo3DError

    try:
        dependencies.check()
        return step(*arguments)
    except BrokenPackage as error:
        operator.report({"ERROR"}, tr_error(error))
        return {"CANCELLED"}
    except ImageTo3DError as error:
        operator.report({"ERROR"}, tr_problem(str(error)))
        return {"CANCELLED"}


class _Button:
    """What the operators share that call the session."""

    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return _reported(self, self._execute, context)

    def _execute(self, context: bpy.types.Context) -> set[str]:
        self.act(context, current.session())
        return {"FINISHED"}

    def act(self, context: bpy.types.Context, session: Session) -> None:
        raise NotImplementedError


class _JobButton(_Button):
    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})


class _Buying(_Button):
    """What may cost money: the first request to a service asks once, more than one picture and paying again always."""

    pays_again = False
    """What was bought before is bought anew."""
    _was_asked = False

    def number(self) -> int:
        """Return how many models it may buy."""
        return 1

    def provider_of(self, context: bpy.types.Context) -> str:
        return context.scene.image_to_3d.provider

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return _reported(self, self._invoke, context, event)

    def _invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        from ... import providers
        from ...host import settings

        info = providers.info(self.provider_of(context))
        is_known = info.id in settings.load().agreed and not self.pays_again and self.number() == 1
        if not info.paid or is_known:
            return self.execute(context)
        self._was_asked = True
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=tr("Generate with {service}?").format(service=info.label),
            message=_what_it_costs(info.label, info.price, number=self.number(), again=self.pays_again),
            confirm_text=tr("Generate"),
        )

    def _execute(self, context: bpy.types.Context) -> set[str]:
        if self._was_asked:  # and not called by a script
            _agree_to(self.provider_of(context))
        return super()._execute(context)


def _agree_to(provider: str) -> None:
    """Remember that the user knows that a service costs money."""
    from ... import providers
    from ...errors import StorageError
    from ...host import settings

    chosen = settings.load()
    if providers.info(provider).paid and provider not in chosen.agreed:
        with suppress(StorageError):  # then it is asked again
            settings.save(replace(chosen, agreed=(*chosen.agreed, provider)))


def _what_it_costs(service: str, price: str | None, *, number: int, again: bool) -> str:
    if number > 1:
        sentence = tr("{number} pictures are sent to {service}, and each costs {price}")
    elif again:
        sentence = tr("The picture is sent to {service} once more, and that costs {price} again")
    else:
        sentence = tr("The picture is sent to {service}, and that costs {price}. You are asked only once")
    return sentence.format(number=number, service=service, price=tr(price) if price else tr("money"))


class IMAGE_TO_3D_OT_start(_Buying, bpy.types.Operator):
    """Make a textured mesh from the picture while you go on working"""

    bl_idname = "image_to_3d.start"
    bl_label = "Generate"
    bl_options = set()

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        from ..form import scene_form

        if not scene_form.is_ready():
            cls.poll_message_set("The add-on is not ready yet")
            return False
        reason = readiness.of_form(context.scene).reason
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def act(self, context: bpy.types.Context, session: Session) -> None:
        from ..form import scene_form

        session.order(context, scene_form.chosen(context.scene))


class IMAGE_TO_3D_OT_import_pictures(_Buying, bpy.types.Operator):
    """Make a textured mesh from each picture that you choose, with the settings of the sidebar"""

    bl_idname = "image_to_3d.import_pictures"
    bl_label = "Image to 3D"
    bl_options = set()

    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"})
    filter_glob: StringProperty(default=_PICTURES, options={"HIDDEN"})
    _was_browsing = False

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        from ..form import scene_form

        return scene_form.is_ready()

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.directory and self.files:
            return super().invoke(context, event)
        self._was_browsing = True
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        """In the file browser: who makes the model, and what that means."""
        self.layout.use_property_split = True
        self.layout.prop(context.scene.image_to_3d, "provider")
        self.layout.label(text=readiness.of_files(context.scene).line)

    def number(self) -> int:
        return len(self.files)

    def execute(self, context: bpy.types.Context) -> set[str]:
        if not self._was_browsing:
            return super().execute(context)
        # The file browser executes what it was opened for, and that must be asked for as any other purchase.
        files = [{"name": each.name} for each in self.files if each.name]
        if not files:
            return {"CANCELLED"}
        return bpy.ops.image_to_3d.import_pictures("INVOKE_DEFAULT", directory=self.directory, files=files)

    def act(self, context: bpy.types.Context, session: Session) -> None:
        for each in self.files:
            session.order(context, _chosen_with(context.scene, Path(self.directory, each.name)))


def _chosen_with(scene: bpy.types.Scene, picture: Path) -> Chosen:
    from ..form import scene_form

    return replace(scene_form.chosen(scene), pictures={"front": picture}, name=None)


class IMAGE_TO_3D_OT_cancel(_JobButton, bpy.types.Operator):
    """Give this model up; what was paid for already is kept"""

    bl_idname = "image_to_3d.cancel"
    bl_label = "Cancel"

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.cancel(self.job)


class IMAGE_TO_3D_OT_resume(_JobButton, bpy.types.Operator):
    """Go on where it stopped, without paying again"""

    bl_idname = "image_to_3d.resume"
    bl_label = "Resume"

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.resume(self.job, context=context)


class IMAGE_TO_3D_OT_send_again(_JobButton, bpy.types.Operator):
    """Send the request once more, and pay for it, although it may have been charged already"""

    bl_idname = "image_to_3d.send_again"
    bl_label = "Send Again"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=tr("Send it again?"),
            message=tr("The first request may have been charged. Sending it again may cost as much once more"),
            confirm_text=tr("Send Again"),
        )

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.resume(self.job, again=True, context=context)


class IMAGE_TO_3D_OT_import_result(_JobButton, bpy.types.Operator):
    """Put this model at the 3D cursor"""

    bl_idname = "image_to_3d.import_result"
    bl_label = "Import"

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.bring(context, self.job)


class IMAGE_TO_3D_OT_generate_again(_Buying, bpy.types.Operator):
    """Make another model from the same picture with the same settings; a service is paid for it again"""

    bl_idname = "image_to_3d.generate_again"
    bl_label = "Generate Again"
    bl_options = {"INTERNAL"}
    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    pays_again = True

    def provider_of(self, context: bpy.types.Context) -> str:
        return current.session().folder_of(self.job).load().request.provider

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.order_again(context, self.job)


class IMAGE_TO_3D_OT_open_folder(_JobButton, bpy.types.Operator):
    """Show the files of this job: the picture, the model as it came, and the log"""

    bl_idname = "image_to_3d.open_folder"
    bl_label = "Open Folder"

    def act(self, context: bpy.types.Context, session: Session) -> None:
        bpy.ops.wm.path_open(filepath=str(session.folder_of(self.job).path))


class IMAGE_TO_3D_OT_copy_error(_JobButton, bpy.types.Operator):
    """Copy everything that is known of this problem to the clipboard, for whoever is asked for help"""

    bl_idname = "image_to_3d.copy_error"
    bl_label = "Copy Error"

    def act(self, context: bpy.types.Context, session: Session) -> None:
        context.window_manager.clipboard = session.log_of(self.job)
        self.report({"INFO"}, tr_report("Copied"))


class IMAGE_TO_3D_OT_delete(_JobButton, bpy.types.Operator):
    """Delete this job with its picture and its model from the library; what is in a scene stays there"""

    bl_idname = "image_to_3d.delete"
    bl_label = "Delete"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=tr("Delete this model from the library?"),
            message=tr("What is in a scene stays there. A model that was paid for cannot be had again"),
            confirm_text=tr("Delete"),
        )

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.delete(self.job)


class IMAGE_TO_3D_OT_dismiss(_JobButton, bpy.types.Operator):
    """Take this line out of the list; its files stay"""

    bl_idname = "image_to_3d.dismiss"
    bl_label = "Dismiss"

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.dismiss(self.job)


class IMAGE_TO_3D_OT_clear(_Button, bpy.types.Operator):
    """Delete the jobs that failed and cost nothing"""

    bl_idname = "image_to_3d.clear"
    bl_label = "Clear Failed Jobs"

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.clear()


class IMAGE_TO_3D_OT_refresh(_Button, bpy.types.Operator):
    """Look for models that other programs have put into the library"""

    bl_idname = "image_to_3d.refresh"
    bl_label = "Refresh"

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.history.read_again()
        current.read_library()


class IMAGE_TO_3D_OT_show_page(_Button, bpy.types.Operator):
    """Show older or newer models"""

    bl_idname = "image_to_3d.show_page"
    bl_label = "Show Page"
    step: bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def act(self, context: bpy.types.Context, session: Session) -> None:
        from ..interface import redraw
        from . import job_panels

        job_panels.turn_page(self.step)
        redraw.tabs()


class IMAGE_TO_3D_OT_use_settings(_Button, bpy.types.Operator):
    """Put the picture and the settings that made this model into the sidebar"""

    bl_idname = "image_to_3d.use_settings"
    bl_label = "Use These Settings"
    bl_options = {"INTERNAL", "UNDO"}
    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def act(self, context: bpy.types.Context, session: Session) -> None:
        from ..form import scene_form

        if self.job:
            folder = session.folder_of(self.job)
            request = folder.load().request
        else:
            request, folder = session.origin_of(context.object)
        pictures = {view.value: folder.path / each.file for view, each in request.views.items()} if folder else {}
        scene_form.fill(context.scene, request, pictures)


class IMAGE_TO_3D_OT_regenerate(_Buying, bpy.types.Operator):
    """Make this model once more, from the same picture with the same settings; a service is paid for it again"""

    bl_idname = "image_to_3d.regenerate"
    bl_label = "Regenerate"
    bl_options = {"INTERNAL"}
    pays_again = True

    in_place: BoolProperty(
        name="Replace the Mesh",
        description="Put the new mesh into this object, which keeps its name, transform and modifiers",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: IMAGE_TO_3D_OT_regenerate) -> str:
        if properties.in_place:
            return tr(
                "Make this model once more, and put it into this object, which keeps its name and modifiers; "
                "a service is paid for it again"
            )
        return tr("Make this model once more, as a new object at the 3D cursor; a service is paid for it again")

    def provider_of(self, context: bpy.types.Context) -> str:
        return current.session().origin_of(context.object)[0].provider

    def act(self, context: bpy.types.Context, session: Session) -> None:
        session.regenerate(context, context.object, in_place=self.in_place)


class IMAGE_TO_3D_OT_open_preferences(_Button, bpy.types.Operator):
    """Open the preferences of this add-on, where keys are entered"""

    bl_idname = "image_to_3d.open_preferences"
    bl_label = "Preferences"

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=EXTENSION)
        return {"FINISHED"}


class IMAGE_TO_3D_OT_allow_online(_Button, bpy.types.Operator):
    """Let Blender use the network: the same as Allow Online Access in the preferences (System > Network)"""

    bl_idname = "image_to_3d.allow_online"
    bl_label = "Allow Online Access"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if bpy.app.online_access_override:
            cls.poll_message_set("Blender was started in offline mode")
        return not bpy.app.online_access_override

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.preferences.system.use_online_access = True
        context.preferences.is_dirty = True
        return {"FINISHED"}


CLASSES = (
    IMAGE_TO_3D_OT_start,
    IMAGE_TO_3D_OT_import_pictures,
    IMAGE_TO_3D_OT_cancel,
    IMAGE_TO_3D_OT_resume,
    IMAGE_TO_3D_OT_send_again,
    IMAGE_TO_3D_OT_import_result,
    IMAGE_TO_3D_OT_generate_again,
    IMAGE_TO_3D_OT_open_folder,
    IMAGE_TO_3D_OT_copy_error,
    IMAGE_TO_3D_OT_delete,
    IMAGE_TO_3D_OT_dismiss,
    IMAGE_TO_3D_OT_clear,
    IMAGE_TO_3D_OT_refresh,
    IMAGE_TO_3D_OT_show_page,
    IMAGE_TO_3D_OT_use_settings,
    IMAGE_TO_3D_OT_regenerate,
    IMAGE_TO_3D_OT_open_preferences,
    IMAGE_TO_3D_OT_allow_online,
)


def draw_in_import_menu(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    menu.layout.operator(IMAGE_TO_3D_OT_import_pictures.bl_idname, text="Image to 3D (.png/.jpg/.webp)")


def register() -> None:
    bpy.types.TOPBAR_MT_file_import.append(draw_in_import_menu)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(draw_in_import_menu)
