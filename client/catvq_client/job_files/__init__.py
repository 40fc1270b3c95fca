"""Files that describe a job, in the API's names or the published layout. May import errors."""
