"""Answers and hits as text and JSON, for the command line and the prompt."""
