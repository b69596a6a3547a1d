"""Rounds of one training run, ours and others': the same vector there and back, nothing learned."""
