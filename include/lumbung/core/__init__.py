"""What every other package builds on: errors, settings, the business day, locks."""
