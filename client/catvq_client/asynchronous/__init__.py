"""The client for programs that await; its twin in `synchronous` is written from it."""
