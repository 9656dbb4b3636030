"""What a recording sounds like: its quality and its room, estimated without a reference."""
