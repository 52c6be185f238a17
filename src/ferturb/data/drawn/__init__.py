"""Faces drawn from facial action units: their author decides which feature shows which emotion."""
