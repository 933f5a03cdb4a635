"""The HTTP service: application, middlewares, keys, queues and the page."""
