# SPDX-License-Identifier: GPL-3.0-or-later
"""One module per picture format, which follows a file of it to its end and decodes nothing.

Each has ``walk(source) -> PictureFacts``. It reads headers, follows lengths and offsets, and raises ``BadPicture`` for
a file that is cut or contradicts itself. It never trusts a declared number before it has compared it with the file's
size.
"""
