"""Attacks on the federation, one line each: who tries what, what must come of it, what stops it.

``table`` holds all of them by group; ``python -m attacks`` prints the table and ``attacks.mutants``
shows that each guarding line, once broken, lets exactly its own attacks through.
"""
