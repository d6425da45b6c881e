"""Table 7 of the paper: what each part of the reward is worth, over several seeds; the same for algorithms."""
