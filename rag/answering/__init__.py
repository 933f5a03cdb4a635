"""From what the reader scored to an answer or a refusal, with citations and a receipt."""
