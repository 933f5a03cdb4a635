"""Grids of questions, certificates of absence, and bundles that anyone can check."""
