"""Checks texts against the documents, claim by claim, and the answers of a language model."""
