"""What tests need to start real things and to wait for conditions."""
