# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives from a service: known by its bytes, unpacked, made harmless; nothing here asks for more.

adopt           what a file is, and what it refers to: the files of a model, or why it is refused
archives        zips, unpacked without trusting what they say of themselves
"""
