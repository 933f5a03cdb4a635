"""`python -m rag` is the command `rag`."""

from rag.cli.main import main

main()
