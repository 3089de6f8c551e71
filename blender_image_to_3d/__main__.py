# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m blender_image_to_3d …``"""

import sys

from .cli.main import main

sys.exit(main(sys.argv[1:], program="python -m blender_image_to_3d"))
