"""The agent: keeps one host's containers equal to what the store says."""
