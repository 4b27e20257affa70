"""An hour of mixed load with a kill per minute, rotated keys and new deployments."""
