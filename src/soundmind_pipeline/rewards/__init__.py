"""The reward of SoundMind-RL: verdict parsing, the five terms, shaping. One scorer serves training and evaluation."""
