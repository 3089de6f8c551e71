# SPDX-License-Identifier: GPL-3.0-or-later
"""Many pictures: what becomes of each, and what is made of all models together; no Blender.

batch           which pictures, which jobs, which of them are done
report          a line for each picture, which never knows less than before
assembly        what the whole batch becomes, as far as Blender is not needed
asset_catalogs  the text file in which Blender keeps the catalogues of an asset library
"""
