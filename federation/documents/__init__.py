"""Documents: frozen values that cannot be constructed wrong; no bytes, keys or networks."""
