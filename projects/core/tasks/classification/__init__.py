"""All that only classification of images knows."""
