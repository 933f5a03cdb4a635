"""From bytes to documents: one parser per format, in processes with limits."""
