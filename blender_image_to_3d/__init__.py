# SPDX-License-Identifier: GPL-3.0-or-later
"""Image to 3D: from a picture to a textured mesh in the scene. A job is a folder.

    errors         what can go wrong, what to do next, whether money was spent
    system         what differs between Windows, macOS and Linux
    settings       what a user chose for every Blender and the command line
    dependencies   whether pydantic works, and which add-on brought the one that does not
    pictures/      picture files: what they are, and their pixels
    offline_shape/ our own generator; mesh/ the bytes of mesh files: both know nothing of the rest
    http/          the only part that imports requests: what is sent once, what is repeated, and where a key may go
    models         the nouns: GenerationRequest, Job, Problem …
    provider       the contract of a service; providers/ has one file for each; describe puts their options into words
    keys           where the keys of the services are
    results        what arrived: known by its bytes, and made harmless; archives are unpacked
    claims         who works on a job, also among machines of which one may die; heartbeat renews it in a worker
    library        job folders; recovery says what a job is that no worker has
    request        from what a user says to a checked request; output: from a result to the file that was asked for
    orders         from a request to its job, so that nothing is bought twice; Blender starts it with a click
    worker         one job, from queued to result on disk; bootstrap starts it in a Python of its own
    runner         starts, watches, stops and resumes workers
    batch          works through many pictures, or through one machine's share of them; report says what became of each
    assembly       what is made of all models of a batch: an asset library, a contact sheet; catalogs is Blender's file
    accounts       asks a service whether a key is good, and what is left; a program as well
    cli            the same words in a shell and in Blender
    blender/       the only part that imports bpy

Enabling the add-on runs this module, so it imports nothing that is slow: pydantic and requests come with the first job.
"""

from __future__ import annotations


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    from .blender import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is disabled."""
    from .blender import registration

    registration.unregister()
