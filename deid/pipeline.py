"""One photo: detect → align → attack → paste → encode → detect, align and recognize again in the encoded file."""
