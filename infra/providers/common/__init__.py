"""What both dynamic resources share: time, progress on the user's screen, honest failures."""
