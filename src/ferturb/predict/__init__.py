"""From photos to faces to emotions, on numpy and onnxruntime alone. Nothing here needs torch."""
