"""What a report shows: frozen records of text made from a summary. Formatting of numbers happens here."""
