"""Kills, overloads and attacks real processes; nothing acknowledged may be lost, and nothing wrong,
or from another collection, may be returned.
"""
