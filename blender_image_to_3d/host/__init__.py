# SPDX-License-Identifier: GPL-3.0-or-later
"""What is particular to this computer and its user: system, settings, keys, packages; no jobs and no network.

system          folders, locks, processes, replacing files: what differs between Windows, macOS and Linux
settings        what the user chose for every Blender and the command line; the library's folder
keys            where the keys of the services are
dependencies    whether pydantic works, and which add-on brought the one that does not
programs        how our command line is started in a Python of its own
"""
