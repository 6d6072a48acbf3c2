"""Looking inside: what a model sees, what it is given, what it is made of."""
