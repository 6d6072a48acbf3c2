"""All that only sequences of tokens know: text in, text or a class out."""
