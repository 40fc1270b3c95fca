"""One number for each feature, in place of many columns: what grouping starts from."""
