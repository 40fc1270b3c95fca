"""Definitions shared by the API and the workers: bodies of jobs, settings, logging.

Imports no other room; of the core, the configuration of a run (`catvq.config`), which loads no torch.
"""
