"""The version, where the package metadata and the report both find it."""

__version__ = "0.1.0"
