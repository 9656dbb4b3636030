"""How `serkit.roomnet` came to be and how good it is: simulated rooms, training, scores."""
