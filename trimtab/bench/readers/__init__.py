"""Readers of tabular benchmarks that a user has on disk: a file a layout. Nothing is ever downloaded."""
