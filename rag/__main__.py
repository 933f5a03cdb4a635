"""`python -m rag` is the command `rag`."""

import sys

from rag.cli.main import main

main()
# Without it, Python would end by SIGINT if a Ctrl-C that the prompt caught had passed `eval`.
sys.exit()
