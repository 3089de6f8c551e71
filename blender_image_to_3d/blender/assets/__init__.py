# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of all models of a batch in Blender: an asset library, a contact sheet; no single import.

batch_products  does it, model by model                       asset_library    a .blend for each, or for all
contact_sheet   every picture beside its model                studio           renders a model for it
lettering       words as pixels
"""
