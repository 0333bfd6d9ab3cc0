"""Who a call is for, and how far that may be believed. Pure: nothing here reads a file, a clock or a key."""
