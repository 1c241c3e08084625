"""The migrations, oldest first: v1 is where every history begins."""
