# SPDX-License-Identifier: GPL-3.0-or-later
"""Image to 3D: from a picture to a textured mesh in the scene. A job is a folder.

Each room stands on those above it and imports none below; the docstring of its `__init__` says what may be in it.

    errors         what can go wrong, what to do next, whether money was spent
    models         the nouns: GenerationRequest, ProviderInfo, Job, Problem …
    host/          this computer and its user: what systems differ in, settings, keys, packages
    mesh/          the bytes of mesh files
    offline_shape/ our own generator
    pictures/      picture files: what they are, and their pixels
    http/          what is sent once, what is repeated, and where a key may go
    results/       what arrived: known by its bytes, and made harmless
    providers/     the contract of a service, and one file for each
    jobs/          job folders: who works on one, what may be sent, what became of it; the worker that does it
    batch/         many pictures, or one machine's share of them, and what is made of all their models
    cli/           the same words in a shell and in Blender
    bootstrap      starts the command line in a Python of its own
    blender/       the only room that imports bpy

The way of a picture: `jobs.request` checks what a user says, `jobs.orders` makes a job of it, so that nothing is bought
twice; `jobs.runner` starts a `jobs.worker` in a Python of its own, which asks a provider, and takes the job from queued
to a result on disk; `blender.session` watches the folder, and `blender.importing` brings the model into the scene.

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
