"""Token estimates where a provider gives no counts: which text counts, and the arithmetic from text to tokens. Pure."""
