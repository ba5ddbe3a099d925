"""Recipes that run by themselves: the schedule on disk, and the process that keeps it."""
