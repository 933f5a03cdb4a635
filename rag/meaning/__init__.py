"""English: sentences, names, follow-ups, dates, numbers and units."""
