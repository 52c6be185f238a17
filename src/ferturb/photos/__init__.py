"""From photos to faces: reading, detecting, aligning, tracking. Nothing here needs torch."""
