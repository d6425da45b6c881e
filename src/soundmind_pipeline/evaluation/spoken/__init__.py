"""Answers that are spoken and heard again: what a listener gets, beside what the policy wrote."""
