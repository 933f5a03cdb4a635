"""Fits what the package ships, and measures readers, answers and grids."""
