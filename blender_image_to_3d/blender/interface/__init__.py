# SPDX-License-Identifier: GPL-3.0-or-later
"""What all that is drawn shares: texts in the user's language, labels, redraws; no panel and no operator."""
