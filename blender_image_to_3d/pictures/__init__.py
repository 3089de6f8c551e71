# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files: what they are (``inspect``), PNG both ways (``png``), and any of them as pixels (``pixels``).

Nothing is imported here: ``inspect`` needs the standard library only and must not pull in numpy.
"""
