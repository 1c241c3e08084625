"""The command line: `main` wires the verbs; one file a verb reads its options and ends with its exit status."""
