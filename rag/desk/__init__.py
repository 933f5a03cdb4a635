"""Grids of the same questions to every document, certificates of absence, and bundles that anyone
can check.
"""
