"""What is known about English: sentences, names, follow-ups, dates, numbers and units."""
