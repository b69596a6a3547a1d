"""The match model: profiles in, scores, gradients and explanations out; NumPy only, no I/O."""
