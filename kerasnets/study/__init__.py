"""Questions that one run cannot answer: comparisons, reproductions, diagnoses."""
