"""All that only detection knows."""
