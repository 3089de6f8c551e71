# SPDX-License-Identifier: GPL-3.0-or-later
"""A closed, textured mesh of quads from the outline of a subject: numpy alone, no network, nothing of ours imported.

It is seen from one side or from several; from one side depth and back are guesses. The way of the pictures:

    mask            which part is the subject: its coverage of each pixel
      network         what a small neural network takes for it
      refine          the outline moved onto the edges of the picture
      symmetry        the half with more of it, mirrored
    grid            the outline on a square grid, to a fraction of a cell

    one_side        from the front alone:
      texture         the picture around the subject, without its background
      profiles        how deep it is at each place: inflated (inflation), turned (runs), extruded (distance) or a relief
      level_set       the solid's points on a lattice, and where the surface crosses it

    several         with a view from the left or right:
      views           the pictures, laid on one lattice
      hull            the rounded solid between the outlines, and where its surface crosses the lattice (volume)
      view_texture    a texture of what all pictures show

    surface_nets    the mesh
    generator       all of it

The same pictures and settings always give the same bytes on one machine. Nothing is imported here: whoever only wants
to know the settings should not wait for numpy.
"""
