"""Keys, signed envelopes, pairwise masks and sealing: thin wrappers over ``cryptography``.

Nothing here knows documents, networks, databases or the clock.
"""
