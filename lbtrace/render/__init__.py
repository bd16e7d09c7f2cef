"""A finished Report → text or a machine format; one file per format."""
