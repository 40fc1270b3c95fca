"""How tables travel: arrays, frames and files as request bodies, and rows of encodings. May import errors."""
