"""An index in PostgreSQL with pgvector, and its queues."""
