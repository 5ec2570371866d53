"""What scores owe to other than expression: degrees, and the topology of the training edges."""
