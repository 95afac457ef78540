"""What templates can do beside what Django's do."""
