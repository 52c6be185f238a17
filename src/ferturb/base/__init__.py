"""What everything else stands on: errors, emotions, files, seeds, configs."""
