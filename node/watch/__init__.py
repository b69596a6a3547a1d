"""Seeing how one city's node fares; nothing here is derived from a record."""
