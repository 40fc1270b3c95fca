"""The whole service on one machine: a private Redis, the API and a worker under one supervisor."""
