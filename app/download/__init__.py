"""Weights from the hub into the model cache: resumable, checked, before any replica starts."""
