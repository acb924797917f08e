"""The harness of the papers' tables: photos, networks, training, attacks, figures. A table is one file beside it."""
