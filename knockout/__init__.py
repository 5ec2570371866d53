"""Knockout: ablation and hyperparameter studies of gene-regulatory-network inference models."""
