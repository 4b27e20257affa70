"""Model downloads as Pulumi resources: a Job each, its progress and its own words when it fails."""
