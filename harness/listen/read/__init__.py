"""From the files of a capture to recordings and clocks."""
