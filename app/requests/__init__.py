"""What routes do with a request: encode rows, plan and submit jobs, the fast path.

Imports every room but `routes`.
"""
