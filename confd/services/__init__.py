"""The use-cases of the API, on top of the ports and the pure core; they know no HTTP."""
