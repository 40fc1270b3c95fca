"""Where files are kept: on a disk, or in an object storage with a cache on the disk.

Imports `database`.
"""
