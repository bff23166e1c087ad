"""The entries of the dictionary, by who says them."""
