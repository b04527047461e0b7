"""Health, readiness and status."""
