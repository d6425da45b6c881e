"""The wide families of verified problems: three small theories, their proofs, their wording and their drawing."""
