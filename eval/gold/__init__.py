"""Gold questions, and documents for some of them."""
