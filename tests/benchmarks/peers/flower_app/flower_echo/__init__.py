"""Flower apps whose sites give back what they were sent."""
