"""What several test suites share: real services of their own, and waiting."""
