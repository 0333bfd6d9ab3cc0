"""The process that counts tokens where a provider does not, and what the relay has to do with it. Edge."""
