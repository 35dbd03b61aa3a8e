"""What `alsobought tune` does: the search for training parameters that suit a shop better."""
