"""The end of a run: hard groups, packed weights, and model files that are verified and measured."""
