"""What is wrong: with data, with results, with a step, with a config."""
