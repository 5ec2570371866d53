"""What a user asks of a study: plan, run, confirm, report. The command line and ``import knockout`` call the same."""
