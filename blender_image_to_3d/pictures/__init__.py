# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files: what they are (``inspect``), and any of them as pixels (``pixels``); nothing of jobs or services.

Nothing is imported here: ``inspect`` needs the standard library only and must not pull in numpy.
"""
