"""Who may use the service: API keys, the gate before every request, quotas.

Imports settings, problems and the store.
"""
