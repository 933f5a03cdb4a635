"""Fits what the package ships (judge, claims, follow-ups), and measures readers, answers and
grids.
"""
