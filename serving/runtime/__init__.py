"""The service as a process: put together, logged, stopped."""
