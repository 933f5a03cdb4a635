"""How good an index answers, and why it missed: gold questions in, scores, intervals and a report
out.

gold -> examine (through the engine, a row a question) -> metrics and intervals of the rows ->
report, gates, comparison
"""
