"""What the machine gives: processes, locks, memory, streams of the terminal, files that lie beside the code."""
