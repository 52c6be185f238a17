"""Facial feature × emotion: what leaving a feature out changes."""
