"""How `serkit.acoustics.room` came to be and how good it is: simulated rooms, training, scores."""
