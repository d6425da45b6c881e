"""What a policy can do on held-out problems: predictions, controls, statistics, figures and the report."""
