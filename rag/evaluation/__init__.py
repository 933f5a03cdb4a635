"""Scores an index on gold questions, with intervals, a report, and the reason for each miss.

gold -> examine (through the engine, a row a question) -> metrics and intervals of the rows ->
report, gates, comparison
"""
