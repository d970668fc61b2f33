"""From probabilities to metrics, intervals, comparisons and figures."""
