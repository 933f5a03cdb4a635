"""Gold questions, and the documents that some of them are asked on."""
