"""Tests of the chaos runs' own parts."""
