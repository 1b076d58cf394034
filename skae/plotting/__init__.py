"""Displays for autoencoders: reconstructions, embeddings, clusters, losses."""
