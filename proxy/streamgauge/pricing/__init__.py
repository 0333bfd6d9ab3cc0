"""What a call costs: the price book, which of its prices holds for a call, and exact sums. Pure."""
