"""Child processes: started in a group of their own, read, and ended with all that they started."""
