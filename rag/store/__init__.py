"""Where documents, passages and vectors are stored, and how they are searched."""
