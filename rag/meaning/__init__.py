"""What is known about English: sentences, noun phrases, dates, numbers and units."""
