"""What an MLflow run of this project says about itself: name, tags, inputs, tables, system metrics."""
