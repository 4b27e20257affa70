"""The service on a real Ray Serve with HAProxy on loopback, for benchmarks and live tests."""
