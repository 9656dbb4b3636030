"""What the readers share: finding a corpus, reading its tables and names with care, and what it becomes."""
