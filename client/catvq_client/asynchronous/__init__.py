"""Client modules; the package `synchronous` is generated from `asynchronous`."""
