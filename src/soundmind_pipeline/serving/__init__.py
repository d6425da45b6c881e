"""The trained policy as an MLflow model: what is registered, which version is the champion, and how it answers."""
