"""Ranking jobs for the workers of this city, inside the city."""
