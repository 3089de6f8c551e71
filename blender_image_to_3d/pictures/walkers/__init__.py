# SPDX-License-Identifier: GPL-3.0-or-later
"""One module per file format; each has ``walk(source) -> PictureFacts``, which follows the file to its end.

A walker decodes nothing. It reads headers, follows lengths and offsets, and raises ``BadPicture`` for a file
that is cut or contradicts itself. It never trusts a declared number before it has compared it with the file's size.
"""
