"""The report of an evaluation: HTML page, charts and text."""
