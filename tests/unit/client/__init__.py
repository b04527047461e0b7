"""The SDK's core and its front ends."""
