"""What this checkout locks, as bills of materials, and compared with published advisories."""
