"""What a policy is held against: label statistics, shortcuts, a recogniser in front of it, other models by name."""
