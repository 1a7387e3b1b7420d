"""The HTTP API: Flask for everything but the streams, which are native ASGI routes over the same services."""
