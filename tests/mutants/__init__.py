"""Behaviours broken one at a time: each must be noticed by a test."""
