"""Measurements of all the rooms; nobody imports it."""
