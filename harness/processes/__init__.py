"""Child processes: started in a group of their own, heard, and ended with all that they started."""
