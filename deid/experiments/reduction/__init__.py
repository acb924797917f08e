"""Dimensionality reduction as a defense, attacked."""
