"""Find replies, utterances and turns in every recording."""
