"""The service against what else serves such a model, on one core: `make bench-serving`."""
