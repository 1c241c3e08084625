"""What the user says: case files, recipes built to the sample, recordings of one's own."""
