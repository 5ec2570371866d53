"""Text tables of any separator: expression, networks, lists of TFs, synonyms."""
