"""The stage of a run that trains the model, and the assignment with it: its start, its epochs, its end."""
