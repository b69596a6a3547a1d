"""Other systems that do the same rounds: their environments, their apps and what they are told."""
