"""M-SVDD-D, attacked."""
