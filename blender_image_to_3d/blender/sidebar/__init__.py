# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels of the tab and their buttons: they show what others know, and no file is read while drawing.

form_panels     picture, provider, options, placement         job_panels       jobs, history, This Object
buttons         the operators behind them                     readiness        the line under Generate
"""
