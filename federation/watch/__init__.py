"""Seeing how a program fares: its event log, its figures, its readiness, its doctor."""
