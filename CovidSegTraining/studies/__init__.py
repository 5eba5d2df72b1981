"""Known networks, trained for comparison."""
