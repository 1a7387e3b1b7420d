"""The HTTP API: Flask over the use-cases; `confd.api.app` makes it, `confd.api.asgi` serves it."""
