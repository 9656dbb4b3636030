"""Networks that turn waves into embeddings and scores."""
