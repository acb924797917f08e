"""The adversary who filters, and who trains on protected photos of others."""
