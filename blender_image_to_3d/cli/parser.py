# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser of what stands behind the program's name: it says in one sentence what is wrong."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn, TypeAlias

from ..errors import InputError

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""Where every command adds a parser of its own."""


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations, or every new option would break a script."""

    def __init__(self, **words: Any) -> None:
        super().__init__(**words, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the words, and end the process."""
        self.exit(InputError.exit_status, f"{self.prog}: {message}. See: {self.prog} --help\n")
