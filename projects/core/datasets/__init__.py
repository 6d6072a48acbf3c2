"""Data sets, and how their images are read; a module is imported when asked for."""
