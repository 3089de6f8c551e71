# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of mesh files, written and inspected with numpy; nothing of ours is imported."""
