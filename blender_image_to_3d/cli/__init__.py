# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line, with one file for each command: only it prints, and it does none of the work itself; no Blender.

main            runs a command             parser        says what is wrong with the words
console         all that is printed        host_program  what Blender can do that a shell cannot

generate_model  `generate`                 request       the words that `generate` and `batch` share
batch           `batch`                    dry_run, outcomes, assembly: what it says and asks for
jobs            `jobs`                     delivery      where a model goes, for `generate` and `jobs resume`
providers       `providers`

What we start ourselves, and help does not list: worker, place_order (`order`), ask_account (`account`), usage.
"""
