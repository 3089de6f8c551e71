# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender in a window, and the person in front of it: looks, moves the mouse, clicks, types; and may ask Blender."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .machine import HEIGHT, LONGEST_SECONDS, Machine, Screen

AGENT, *OF_AGENT = (Path(__file__).with_name(f"{name}.py") for name in ("agent", "drawing"))
TAB = "Image to 3D"
PANELS = ["IMAGE_TO_3D_PT_", "ImageTo3DPreferences"]
_WIDTH = 1000
"""Every pixel is drawn by the processor; the sidebar needs the height, and the file browser a wider screen."""
_LOOKS_PER_SECOND = 5
_TURNS = 2
"""So often Blender goes round until what was changed between two events is drawn."""
_SLIDE_SECONDS = 0.2
"""The sidebar slides in for half of that."""
# Pixels at a scale of 1: how high a row of buttons is, how far the widest is from the edge of its region, what lies
# between two buttons at least, how narrow a button can be, and how wide the tabs of the sidebar are.
_ROW, _MARGIN, _GAP, _NARROWEST, _TAB_BAR = 20, 11, 5, 14, 22
# And where the headers of panels begin, how much further in those of panels in panels, how wide the arrow there is at
# most, what lies between it and the words at least (a V begins sooner than a P), and where the edge is to drag.
_HEADER, _INDENT, _ARROW, _AFTER_ARROW, _EDGE = 17, 14, 13, 2, 1
_F3 = "69"
"""The key itself: by its name, xdotool presses another one in Debian sid, of a keyboard that has two."""
_DOUBLE_CLICK_SECONDS = 0.5
_MOST_CLICKS = 3
_MOST_PAGES = 12

Place = tuple[int, int]
Where = tuple[str, str, int]
"""A kind of region, a kind of area, and the number of the window."""
_SIDEBAR: Where = ("UI", "VIEW_3D", 0)


@dataclass(frozen=True)
class Button:
    """What the mouse can rest on: what calls an operator, or shows a property."""

    operator: str = ""
    """Such as "image_to_3d.generate"."""
    prop: str = ""
    whole: str = ""
    """The call with its arguments; the path of the property with its owner and index."""

    def fits(self, operator: str, prop: str, having: str) -> bool:
        return (self.operator == operator if operator else self.prop == prop) and having in self.whole


class Gone(AssertionError):
    """Blender has ended."""


class Box(NamedTuple):
    """Pixels of the screen."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def middle(self) -> tuple[int, int]:
        return self.at(0.5, 0.5)

    def at(self, across: float, down: float) -> tuple[int, int]:
        """Return a place inside by its share of the width and of the height."""
        return round(self.left + (self.right - self.left) * across), round(self.top + (self.bottom - self.top) * down)


@dataclass(frozen=True)
class Look:
    """How a window is set up."""

    theme: str = "dark"
    scale: float = 1.0
    """Blender's resolution scale: 2 is a screen with very small pixels."""
    sidebar: int | None = None
    """Its width in pixels; nothing: as Blender opens it."""

    def statements(self) -> str:
        """Return what sets Blender up so, in Python."""
        lines = [
            "import bpy",
            "preferences = bpy.context.preferences",
            "preferences.view.show_splash = False",
            "preferences.use_preferences_save = False",
            f"preferences.view.ui_scale = {self.scale}",
            # Else whatever changes is drawn eight times.
            "preferences.system.viewport_aa = 'OFF'",
        ]
        if self.theme == "light":
            lines += [
                "import os",
                "folder = bpy.utils.preset_paths('interface_theme')[0]",
                "bpy.ops.script.execute_preset(filepath=os.path.join(folder, 'Blender_Light.xml'),"
                " menu_idname='USERPREF_MT_interface_theme_presets')",
            ]
        return "\n".join(lines)


AS_BLENDER_COMES = Look()


class Window:
    """A Blender on a screen of its own."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        *,
        look: Look = AS_BLENDER_COMES,
        file: Path | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        """settings: what the user has chosen, such as `agreed`: the providers of which they know that they cost."""
        if settings:
            chosen = machine.home / ".local" / "share" / "image_to_3d.settings.json"
            chosen.parent.mkdir(parents=True, exist_ok=True)
            chosen.write_text(json.dumps(settings))
        self.machine = machine
        self.screen: Screen = machine.screen()
        self.name = name
        self.look = look
        self.log = machine.folder / f"{name}.log"
        self._environment = dict(environment or {})
        self._known: dict[Where, dict[Button, Place]] = {}
        self._pointer = 0, 1, 1
        """The window that the mouse is in, and where on the screen."""
        self._starts = 0
        self.start(file)

    # Beginning and end.

    def start(self, file: Path | None = None) -> None:
        """Start Blender; again, after it was quit."""
        self._starts += 1
        shared = self.machine.folder
        agent, *_ = [shutil.copy(each, shared) for each in (AGENT, *OF_AGENT)]
        setup = shared / f"{self.name}-setup.py"
        setup.write_text(self.look.statements())
        path = shared / f"screen-{self.screen.name[1:]}-{self._starts}.socket"  # such a path has little room
        with self.log.open("ab") as log:
            self.process = self.machine.start(
                *("blender", "--window-geometry", "0", "0", str(_WIDTH), str(HEIGHT)),
                *([file] if file else []),
                *("--python", setup, "--python", agent, "--", path),
                environment={"DISPLAY": self.screen.name, "PYTHONUNBUFFERED": "1", **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._connect(path)
        self._known.clear()
        self.wait_until("bool(windows()) and area_of('VIEW_3D') is not None")
        self.rest()

    def _connect(self, path: Path) -> None:
        started = time.monotonic()
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(LONGEST_SECONDS)
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                self._socket.close()
                if self.process.poll() is not None or time.monotonic() - started > LONGEST_SECONDS:
                    raise Gone(f"Blender did not start:\n{self.output()}") from None
                time.sleep(0.02)
        self._answers = self._socket.makefile("rb")
        self.pid = int(self.ask("__import__('os').getpid()"))

    def quit(self) -> None:
        """Leave Blender without saving."""
        # Not at once: the agent has to answer first.
        self.run("bpy.app.timers.register(lambda: bpy.ops.wm.quit_blender() and None, first_interval=0.01)")
        self._hang_up()

    def kill(self) -> None:
        """Let Blender die as in a crash."""
        self.machine.kill(self.pid)
        self._hang_up()

    def _hang_up(self) -> None:
        self.process.wait(LONGEST_SECONDS)
        self._answers.close()
        self._socket.close()

    def close(self) -> None:
        """Whatever happened, leave nothing behind."""
        if self.process.poll() is None:
            self.kill()
        self.screen.turn_off()

    @property
    def library(self) -> Path:
        """The folder of the user's jobs."""
        return self.machine.home / ".local" / "share" / "image_to_3d"

    def output(self) -> str:
        """Return what Blender printed in the end, and wrote when it crashed."""
        crash = self.machine.files / "tmp" / "blender.crash.txt"
        written = crash.read_text(errors="replace") if crash.exists() else ""
        return self.log.read_text(errors="replace")[-4000:] + written[-6000:]

    # Asking Blender.

    def ask(self, expression: str) -> Any:
        """Return the value of a Python expression; what JSON cannot say comes as its repr."""
        return self._exchange({"eval": expression})

    def run(self, statements: str) -> None:
        """Execute Python statements between two events, as a timer would."""
        self._exchange({"run": statements})

    def call(self, statements: str, area: str = "VIEW_3D", region: str = "WINDOW", window: int = 0) -> None:
        """Execute statements in a region, as if called there."""
        body = "\n".join("    " + line for line in statements.splitlines())
        self.run(f"with context_of({area!r}, {region!r}, {window}):\n{body}")

    def _exchange(self, question: dict[str, Any]) -> Any:
        try:
            self._socket.sendall(json.dumps(question).encode() + b"\n")
            line = self._answers.readline()
        except OSError as error:
            raise self._failure(f"Blender does not answer {question}: {error}") from None
        if not line:
            raise Gone(f"Blender ended while it was asked {question}:\n{self.output()}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"Blender could not answer {question}:\n{answer['error']}")
        return answer["value"]

    def wait_until(self, expression: str, meanwhile: Callable[[], object] = lambda: time.sleep(0.05)) -> Any:
        """Wait until a Python expression is true in Blender, and return its value; do something meanwhile."""
        started = time.monotonic()
        while not (value := self.ask(expression)):
            if time.monotonic() - started > LONGEST_SECONDS:
                raise self._failure(f"This stays {value!r}: {expression}")
            meanwhile()
        return value

    def _failure(self, sentence: str) -> AssertionError:
        path = self.picture(f"{self.name}-failure")
        return AssertionError(f"{sentence}\nThe window: {path}\nBlender said:\n{self.output()}")

    # Looking.

    def texts(self) -> list[str]:
        """Return all that the panels of the add-on say now, from the top, also where one would have to scroll."""
        return [leaf["text"] for leaves in self.panels().values() for leaf in leaves if leaf["text"]]

    def panels(self) -> dict[str, list[dict[str, str]]]:
        """Return what each open panel of the add-on draws now: the "text" of each item, the "whole" of its button."""
        return self._exchange({"panels": PANELS})  # type: ignore[no-any-return]

    def wait_for_text(self, pattern: str) -> str:
        """Wait until the panels say what a regular expression matches, and return that."""
        started = time.monotonic()
        while True:
            texts = self.texts()
            # What is too long for a line goes on in the next.
            for text in (*texts, " ".join(texts)):
                if found := re.search(pattern, text):
                    return found[0]
            if time.monotonic() - started > LONGEST_SECONDS:
                raise self._failure(f"No panel says {pattern!r}, but {texts}")
            time.sleep(1 / _LOOKS_PER_SECOND)

    def picture(self, name: str, box: Box | None = None) -> Path:
        """Keep what the screen shows."""
        return self.screen.save(out_folder() / f"{name}.png", box)

    def box_of(self, region: str = "UI", area: str = "VIEW_3D", window: int = 0) -> Box:
        """Return where a region lies on the screen."""
        if window:
            self._bring_in(window)
        left, top, width, height = self.ask(f"box_on_screen({region!r}, {area!r}, {window})")
        return Box(left, top, left + width, top + height)

    def _bring_in(self, window: int) -> None:
        """Move a window that Blender put partly above the screen, as a window manager would."""
        if self.ask(f"origin({window})[1]") < 0:
            self.screen.lower_what_is_above()
            self.wait_until(f"origin({window})[1] >= 0")
            self.rest()

    def look_away(self) -> None:
        """Take the mouse to where it points at nothing."""
        if self.process.poll() is None and not self.ask("bool(modal_operators())"):
            self.move(*self.box_of("WINDOW").at(0.3, 0.8))
            self.arrive()

    def rest(self, seconds: float = 0) -> None:
        """Let time pass, and Blender draw."""
        time.sleep(seconds)
        self._exchange({"turns": _TURNS})

    def settle(self) -> None:
        """Wait until Blender has done all that mouse and keyboard did: until it sees one more move, of a pixel."""
        window, x, y = self._pointer
        self.move(x + (1 if x % 2 else -1), y, window)
        self.arrive()

    def arrive(self) -> None:
        """Wait until Blender has seen where the mouse is."""
        self._exchange({"reach": self._pointer})
        self.rest()

    # The mouse and the keyboard.

    def move(self, x: int, y: int, window: int = 0) -> None:
        self._pointer = window, x, y
        self.screen.does(f"mousemove {x} {y}")

    def click_at(self, x: int, y: int, button: int = 1, times: int = 1, window: int = 0) -> None:
        """Move there, and when Blender has noticed, click."""
        self.move(x, y, window)
        self.arrive()
        for _ in range(times):
            self.screen.does(f"mousedown {button}", f"mouseup {button}")
        self.settle()

    def drag(self, start: tuple[int, int], end: tuple[int, int], button: int = 1, steps: int = 10) -> None:
        """Press, move in steps, and let go."""
        (x, y), (to_x, to_y) = start, end
        self.move(x, y)
        self.arrive()
        self.screen.does(f"mousedown {button}")
        # Blender counts from where it notices that the mouse is drawn, so no step may come sooner.
        for step in range(1, steps + 1):
            self.move(x + (to_x - x) * step // steps, y + (to_y - y) * step // steps)
            self.arrive()
        self.settle()
        self.screen.does(f"mouseup {button}")
        self.settle()

    def key(self, *names: str) -> None:
        """Press keys one after the other, such as "ctrl+z" or "Return"; they go to what is under the mouse."""
        for name in names:
            self.screen.does(f"key {name}")
        self.settle()

    def type(self, text: str) -> None:
        assert '"' not in text and "\n" not in text, text
        self.screen.does(f'type --delay 5 "{text}"')
        self.settle()

    def orbit(self, times: int = 1) -> None:
        """Turn the view with the middle mouse button."""
        x, y = self.box_of("WINDOW").middle
        for number in range(times):
            self.drag((x - 100, y), (x + 60, y + 30 - 60 * (number % 2)), button=2)

    # The sidebar.

    def open_tab(self, tab: str = TAB) -> Box:
        """Open the sidebar at a tab, and return where it lies."""
        self.run("area_of('VIEW_3D').spaces.active.show_region_ui = True")
        self.wait_until("(region_of('UI') or None) and region_of('UI').width > 1")
        self.rest(_SLIDE_SECONDS)
        self.run(f"region_of('UI').active_panel_category = {tab!r}; region_of('UI').tag_redraw()")
        self.wait_until(f"region_of('UI').active_panel_category == {tab!r}")
        self.rest()
        if self.look.sidebar:
            self.resize_sidebar(self.look.sidebar)
        return self.box_of()

    def sidebar(self) -> Box:
        """Return where the panels are: without the tabs at the right."""
        box = self.box_of()
        return box._replace(right=box.right - round(_TAB_BAR * self.look.scale))

    def _things(self, box: Box, window: int = 0, gap: int = _GAP) -> list[Box]:
        """Return what is drawn in a part of the screen, while nothing there is under the mouse."""
        self.move(box.left + 2, box.bottom - 2, window)
        self.arrive()
        return list(_things(self.screen.pixels(), box, self.look.scale, gap))

    def resize_sidebar(self, width: int) -> None:
        """Drag its edge until it is about so wide."""
        # Where there is no panel beside it, it cannot be dragged.
        below, edge = round(40 * self.look.scale), round(_EDGE * self.look.scale)
        for _ in range(_MOST_CLICKS):
            box = self.box_of()  # while it slides in, another one each time
            x, y, to_x = box.left + edge, box.top + below, box.right - width + edge
            # Slowly, and from the viewport: else a busy Blender does not always take it for the edge.
            for place in (x - 30, x - 3, x):
                self.move(place, y)
                self.arrive()
                self.rest(_SLIDE_SECONDS)
            self.screen.does("mousedown 1")
            self.rest(_SLIDE_SECONDS)
            for step in range(1, 11):
                self.move(x + (to_x - x) * step // 10, y)
                self.arrive()
            self.screen.does("mouseup 1")
            self.settle()
            now = self.box_of()
            if abs(now.right - now.left - width) < 10 * self.look.scale:
                return
            self.rest(_SLIDE_SECONDS)
        raise self._failure(f"The sidebar is {now}")

    # What takes several steps.

    def fill_form(self, picture: Path, provider: str, **options: Any) -> None:
        """Fill in the form of the sidebar without the mouse, where filling it in is not what is tested."""
        lines = [f"form.picture_path = {str(picture)!r}", f"form.provider = {provider!r}"]
        lines += [f"form.options.{provider}.{name} = {value!r}" for name, value in options.items()]
        self.wait_until("hasattr(bpy.context.scene, 'image_to_3d')")
        self.run("\n".join(["form = bpy.context.scene.image_to_3d", *lines, "redraw()"]))
        self.rest()

    def select(self, *names: str) -> None:
        """Select objects, and nothing else, without the mouse; the last one becomes the active one."""
        self.call(
            "for each in bpy.context.view_layer.objects:\n    each.select_set(each.name in " + repr(names) + ")\n"
            f"bpy.context.view_layer.objects.active = bpy.data.objects[{names[-1]!r}]\n"
            "bpy.ops.ed.undo_push(message='Select')"
        )

    def search(self, words: str) -> None:
        """Start an operator from the search menu."""
        self.move(*self.box_of("WINDOW").middle)
        self.key(_F3)
        self.type(words)
        self.key("Return")

    def choose_file(self, path: Path) -> None:
        """In the file browser, which opens as a second window: go to the folder, name the file, confirm.

        The fields are filled in without the keyboard: they are Blender's, and differ from one version to the next.
        """
        self.wait_until("len(windows()) == 2 and bool(area_of('FILE_BROWSER', 1))")
        self.wait_until("area_of('FILE_BROWSER', 1).spaces.active.params is not None")
        self.rest()
        browser = {"area": "FILE_BROWSER", "window": 1}
        named = f"params.directory, params.filename = {os.fsencode(path.parent) + b'/'!r}, {path.name!r}"
        self.run(f"params = area_of('FILE_BROWSER', 1).spaces.active.params; {named}; redraw()")
        self.rest()
        self.click(operator="file.execute", region="EXECUTE", **browser)
        self.wait_until("len(windows()) == 1")

    def fill(self, text: str, **which: Any) -> None:
        """Type into a text field."""
        self.click(times=2, **which)
        self.key("ctrl+a")
        self.type(text)
        self.key("Return")
        self.rest()

    def toggle(self, panel: str) -> None:
        """Open or close a panel, known by the name of its class, with its header."""
        was_open = panel in self.panels()
        for box in self._pages(*_SIDEBAR):
            for place in self._headers(box, panel):
                before = self.panels().keys()
                self._click_header(place)
                now = self.panels().keys()
                if (panel in now) is not was_open:
                    self._known.clear()
                    return
                for _ in range(_MOST_CLICKS):  # it was another one's header
                    if now == before:
                        break
                    self._click_header(place)
                    now = self.panels().keys()
        raise self._failure(f"The header of {panel} cannot be seen")

    def _headers(self, box: Box, panel: str) -> list[Place]:
        """Return where the header of a panel is; where it may be, if not all of that depth can be seen."""
        # Panels in panels in panels begin no further in than those in panels.
        depths = {name: min(depth, 1) for name, depth in self.ask(f"headers({TAB!r}, {list(self.panels())!r})")}
        depth = depths[panel]
        alike = [name for name, other in depths.items() if other == depth]
        left, scale = box.left + (_HEADER + _INDENT * depth) * self.look.scale, self.look.scale
        # Each begins with a little arrow.
        first = [
            thing
            for thing in self._things(box, gap=_AFTER_ARROW)
            if abs(thing.left - left) < _INDENT * scale / 2 and thing.right - thing.left < _ARROW * scale
        ]
        rows = [thing.middle for thing in first if self.hovered(*thing.middle) is None]
        return [rows[alike.index(panel)]] if len(rows) == len(alike) else rows

    def _click_header(self, place: Place) -> None:
        time.sleep(_DOUBLE_CLICK_SECONDS)  # sooner it would be a double click
        self.click_at(*place)
        self.rest(0.5)

    # Buttons.

    def hovered(self, x: int, y: int, window: int = 0) -> Button | None:
        """Rest the mouse at a place of the screen, and return the button there."""
        self.move(x, y, window)
        answer = self._exchange({"hover": self._pointer})
        return Button(**answer) if answer else None

    def find(
        self,
        *,
        operator: str = "",
        prop: str = "",
        having: str = "",
        region: str = "UI",
        area: str = "VIEW_3D",
        window: int = 0,
    ) -> Place:
        """Return where a button is: of an operator ("image_to_3d.generate"), or of a property (its name).

        having: what the whole call or path must hold too, where there are several.
        """

        def fits(button: Button | None) -> bool:
            return button is not None and button.fits(operator, prop, having)

        where = region, area, window
        known = self._known.setdefault(where, {})
        for button, place in list(known.items()):
            if fits(button) and self.hovered(*place, window) == button:
                return place
        known.clear()
        for box in self._pages(*where):
            guess = self._guess(operator, prop, having) if where == _SIDEBAR else 0.0
            for place, button in self._seen(box, where, guess):
                if fits(button):
                    return place
        raise self._failure(f"There is no button for {operator or prop} {having} in {area} {region}")

    def click(self, *, times: int = 1, **which: Any) -> None:
        """Click a button; see `find`."""
        self.click_at(*self.find(**which), times=times, window=which.get("window", 0))

    def is_there(self, **which: Any) -> bool:
        try:
            self.find(**which)
        except AssertionError:
            return False
        return True

    def buttons(self, region: str = "UI", area: str = "VIEW_3D", window: int = 0) -> list[Button]:
        """Return the buttons that can be seen now, each once."""
        box = self._box(region, area, window)
        return list(dict.fromkeys(button for _, button in self._seen(box, (region, area, window)) if button))

    def _guess(self, operator: str, prop: str, having: str) -> float:
        """Return about how far down in the sidebar a button is, from what its panels say that they draw."""
        leaves = [leaf["whole"] for leaves in self.panels().values() for leaf in leaves]
        begins, holds = (f"bpy.ops.{operator}(", having) if operator else ("", f".{prop}[")
        places = [number for number, whole in enumerate(leaves) if whole.startswith(begins) and holds in whole]
        return places[0] / len(leaves) if places else 0.0

    def _pages(self, region: str, area: str, window: int) -> Iterator[Box]:
        """Yield where a region is, first as it shows itself, then page by page from its top."""
        where: Where = region, area, window
        box = self._box(*where)
        yield box
        # Again and again, as what opens or arrives meanwhile moves what is below it.
        for seconds in range(_MOST_CLICKS):
            self.rest(seconds)
            self._scroll(where, box.middle, -100)
            for _ in range(_MOST_PAGES):
                yield box
                if not self._scroll(where, box.middle, 8):
                    break

    def _box(self, region: str, area: str, window: int) -> Box:
        return self.sidebar() if (region, area, window) == _SIDEBAR else self.box_of(region, area, window)

    def _scroll(self, where: Where, place: Place, notches: int) -> bool:
        """Turn the wheel at a place of a region, and return whether anything moved."""
        self.move(*place, where[2])
        self.arrive()
        top = "region_of({!r}, {!r}, {!r}).view2d.region_to_view(0, 0)".format(*where)
        before = self.ask(top)
        self.screen.does(f"click --repeat {abs(notches)} --delay 5 {5 if notches > 0 else 4}")
        self.settle()
        return bool(self.ask(top) != before)

    def _seen(self, box: Box, where: Where, guess: float = 0.0) -> Iterator[tuple[Place, Button | None]]:
        """Rest the mouse on all that could be a button: first once on each, then at its ends and in between.

        guess: where to begin, as a share of all.
        """
        things = self._things(box, where[2])
        order = sorted(range(len(things)), key=lambda number: abs(number - guess * len(things)))
        things = [things[number] for number in order]
        known = self._known.setdefault(where, {})

        def look(x: int, y: int) -> Button | None:
            button = self.hovered(x, y, where[2])
            if button is not None:
                known.setdefault(button, (x, y))
            return button

        middles = {}
        for thing in things:
            middles[thing] = look(*thing.middle)
            yield thing.middle, middles[thing]
        for thing in things:
            (middle, y), inset = thing.middle, round(4 * self.look.scale)
            seen = {middle: middles[thing]}
            gaps = [(thing.left + inset, middle), (middle, thing.right - inset)]
            while gaps:
                low, high = gaps.pop()
                if high - low < inset:
                    continue
                for x in {low, high} - seen.keys():
                    seen[x] = look(x, y)
                    yield (x, y), seen[x]
                if seen[low] != seen[high] and high - low > _NARROWEST * self.look.scale:
                    gaps += [(low, (low + high) // 2), ((low + high) // 2, high)]


def _things(pixels: NDArray[np.uint8], box: Box, scale: float, gap: int) -> Iterator[Box]:
    """Yield what is drawn in a part of the screen, row by row: all that is not the background of its row.

    gap: the pixels, at a scale of 1, that two things in a row have between them.
    """
    margin, row = round(_MARGIN * scale), _ROW * scale
    part = pixels[box.top : box.bottom, box.left + margin : box.right - margin]
    differs = (part != part[:, :1]).any(axis=2)
    for top, bottom in _runs(differs.any(axis=1), 0):
        count = max(1, round((bottom - top) / row))
        for number in range(count):
            upper, lower = (top + (bottom - top) * each // count for each in (number, number + 1))
            for left, right in _runs(differs[upper:lower].any(axis=0), round(gap * scale)):
                yield Box(box.left + margin + left, box.top + upper, box.left + margin + right, box.top + lower)


def _runs(flags: NDArray[np.bool_], gap: int) -> Iterator[tuple[int, int]]:
    """Yield where flags are set, as (start, end); shorter gaps are none."""
    places = np.flatnonzero(flags)
    if len(places) == 0:
        return
    breaks = np.flatnonzero(np.diff(places) > gap + 1)
    yield from zip(places[[0, *(breaks + 1)]].tolist(), (places[[*breaks, -1]] + 1).tolist(), strict=True)


def out_folder() -> Path:
    return Path(__file__).resolve().parent.parent.parent / "out" / "gui"
