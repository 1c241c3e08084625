"""What is heard where: replies, utterances and turns found in every recording."""
