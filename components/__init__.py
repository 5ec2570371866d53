"""The parts of a gene-regulatory-network model: data, splits, samplers, encoders, scorers and their registry."""
