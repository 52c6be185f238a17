"""The saliency method that is used where none is asked for."""

from __future__ import annotations

SALIENCY = "smoothgrad"
"""The saliency method where none is asked for: of those that are fast, the one that named the right
facial features most often where they are known."""
