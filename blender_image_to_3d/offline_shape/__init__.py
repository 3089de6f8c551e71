# SPDX-License-Identifier: GPL-3.0-or-later
"""A closed, textured mesh from one picture: its subject is inflated like a cushion.

Depth and back are guesses. No network, no learned model: numpy and the standard library only. The way of a picture:

    mask         which part is the subject: its coverage of each pixel
    grid         the outline on a square grid, to a fraction of a cell
    texture      the picture around the subject, without its background
    inflation    how thick the subject is at each place
    level_set    the solid's points on a lattice, and where the surface crosses it
    surface_nets the mesh
    generator    all of it, in this order

The same picture and settings always give the same bytes on one machine. Nothing is imported here: whoever only wants to
know the settings should not wait for numpy.
"""
