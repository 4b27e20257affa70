"""What the pipelines of GitHub and GitLab call: tools, previews with their comment, `up`."""
