"""JSON Schemas shipped as package data; they list no actions, formats or targets: registries do."""
