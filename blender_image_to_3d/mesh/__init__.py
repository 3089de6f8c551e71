# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files: write and inspect their bytes. numpy and the standard library only."""
