"""Advisories in the format of https://ossf.github.io/osv-schema/, and what they say."""
