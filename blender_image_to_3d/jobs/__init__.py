# SPDX-License-Identifier: GPL-3.0-or-later
"""A job is a folder, from the request to its result, and here is all that happens to one; no window, no Blender.

library         job folders and their journal      claims       who works on a job, also among machines
request         from what a user says to a request  orders      from a request to its job: nothing is bought twice
worker          one job, from queued to a result    heartbeat   renews a worker's claim
runner          starts and watches workers          recovery    what a job is whose worker died
completion      takes a job to its end, and waits   unattended  what can be done with a job that no worker has
output          from a result to the file that was asked for
"""
