# SPDX-License-Identifier: GPL-3.0-or-later
"""What is filled in before Generate: picture, provider, options, placement; no panel, and no job begins here.

scene_form      the values, one PropertyGroup on the Scene     fields      from an option to a property
provider_facts  what providers say of themselves               images      images of the .blend, written down
picture_choice  files, drops, Render Result, This View         clipboard   a copied picture (x11_clipboard: on X11)
viewport        what a 3D viewport shows, as an image          previews    thumbnails of what will be sent
"""
