# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: install an extension zip the way a user does, and enable it for later runs: … -- FILE.zip"""

import os
import sys

import bpy

archive = sys.argv[sys.argv.index("--") + 1]
bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True, overwrite=True)
bpy.ops.wm.save_userpref()
sys.stdout.flush()
# Leaving with an add-on enabled crashes the bpy module 4.2 and hangs 4.5.
os._exit(0 if any(name.endswith("blender_image_to_3d") for name in bpy.context.preferences.addons.keys()) else 1)
