"""The whole service on one machine: one supervisor runs a private Redis, the API and a worker."""
