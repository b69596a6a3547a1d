"""Rounds carried by Flower's stock deployment: the two apps that a thin Flower App Bundle names."""
