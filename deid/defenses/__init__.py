"""What recognizers do against attacks, one paper a module."""
