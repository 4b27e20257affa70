"""Tests of the access to the API server, and the fake that other tests use too."""
