"""From files to passages in a store: chunking, embedding, sync, uploads, web pages, deletion."""
