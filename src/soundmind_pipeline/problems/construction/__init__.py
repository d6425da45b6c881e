"""Construction as the paper does it (section 3.2): colloquial prompts, then a teacher's reasoning and answer."""
