"""Generation: models that make samples of what they were shown."""
