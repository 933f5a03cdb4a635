"""From spans to an answer: candidates, confidence, conflicts, citations and forms."""
