"""What a run leaves to look at: blocks, evaluations, the page, runs side by side."""
