"""Dashboards and alerts against a recorded run, on the real Prometheus."""
