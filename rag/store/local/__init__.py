"""An index in a folder: SQLite, with FAISS and Tantivy derived from it."""
