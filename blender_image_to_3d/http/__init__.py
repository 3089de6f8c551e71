# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP by the rules that hold for every service, of none in particular; the only room that imports requests.

client.py      `Http`: get and ask (repeated), buy (once), download; what became of a request, as our errors
connection.py  the way to one service, which a question and a download share
download.py    one file of a result on its way to the disk
received.py    a reply that has arrived whole
patience.py    how long and how much, and the waits between tries
transport.py   one request out, one reply in, over requests: what was sent, and what is cut off
addresses.py   where a request may go: the key to its service only, a download never into a private network
bodies.py      JSON and forms with files in them, in pieces: constant memory in both directions
replies.py     types for what a reply need not say
words.py       what a service says, made fit to be shown: no keys, no signed links, no HTML

A request that may cost money is sent once (`Http.buy`). Everything else is repeated while the patience lasts, with
waits that grow, vary, obey Retry-After and can be interrupted. Importing this package does not import requests.
"""

from .bodies import Base64File, Form, FormFile, data_uri, take_out_base64
from .client import Http
from .patience import Limits
from .received import Reply
from .words import in_one_line, redacted, said

__all__ = [
    "Base64File",
    "Form",
    "FormFile",
    "Http",
    "Limits",
    "Reply",
    "data_uri",
    "in_one_line",
    "redacted",
    "said",
    "take_out_base64",
]
