"""Training against attacks, and what only hides gradients."""
