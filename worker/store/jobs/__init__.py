"""Jobs in the database: submission, leases, controls, records, requeueing, comparisons.

Imports the other rooms but `upkeep`.
"""
