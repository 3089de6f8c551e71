# SPDX-License-Identifier: GPL-3.0-or-later
"""Services on this computer, written from their documents, for tests."""
