"""The tasks that come with trimtab: a file a family."""
