# SPDX-License-Identifier: GPL-3.0-or-later
"""From a result on disk to objects in a scene, also in a second Blender; no timer, no panel, no service.

import_model    objects from the files of a result            readers          Blender's importers
staging         a scene in which nobody sees them arrive      bounds           how large they are
quads, shading, decimation, evaluated, naming                 what is done to their meshes
placing         collection and view layer                     reference_plane  a picture in place of a model
origin, provenance    what made an object, as custom properties
asset_data      marks an object, or all that hangs on it, as an asset
import_process  the second Blender that does all this         import_program, import_task    what runs in it
appending       a finished .blend into the open scene         replacing        in place of an older mesh
"""
