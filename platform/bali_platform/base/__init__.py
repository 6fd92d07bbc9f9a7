"""What every package stands on: settings, errors, progress."""
