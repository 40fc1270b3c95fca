"""Encoding jobs: a dataset becomes a dataset of codes, in parts that any worker takes."""
