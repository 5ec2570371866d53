"""What lies in MLflow: a copy of the ledger that nothing depends on."""
