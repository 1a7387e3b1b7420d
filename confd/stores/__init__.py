"""Adapters of the `Store` port: etcd, and one in memory for tests and dry runs."""
