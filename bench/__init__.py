"""Measures of the whole path on a real etcd and a real engine, each beside a floor of the same run.

`make bench` prints a table and writes bench/results.json; `python -m bench NAME ...` runs some of them.
"""
