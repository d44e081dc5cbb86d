"""The Helixer network: its architecture as a value, the Keras model, the fine-tuning strategies."""
