"""What a mechanism costs in differential privacy: used by charter drafting and by nodes."""
