# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Blender knows of its jobs and services, and does for them bit by bit; no panel, and nothing that waits.

session      all of it together, for the buttons              current         the one of this Blender, to be drawn
modal_timer  calls it while a job goes on                     clicks          from Generate to a row with a job
new_jobs     the processes that make the jobs                 supervisor      the workers: start, watch, resume, cancel
arrivals     imports results, and places them                 destination     the file, scene and place of a model
job_list     the rows that the sidebar shows                  job_rows        one of them: its state, what can be done
list_redraw  draws the tab when they change                   messages        what the status bar says
history      the finished models of the library               services        keys, and what the services answered
short_programs  other processes of ours that answer in a file
"""
