"""The documentation as a site: `make docs`. Pages come from docs/; what the code knows is filled in here, when it is built.

A page asks for a part with a line `<!-- from the code: NAME -->`; `parts.py` says which names there are. So no table of the
reference can be older than the code.
"""
