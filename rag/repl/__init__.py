"""The prompt: `rag repl`, and `rag` alone on a terminal."""
