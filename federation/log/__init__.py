"""The transparency log: Merkle maths (RFC 9162), signed checkpoints (C2SP) and their store.

Nothing here knows documents, protobuf, networks or the clock.
"""
