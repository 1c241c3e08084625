"""What was said in words: texts made alike, compared, and each given to its turn. Pure."""
