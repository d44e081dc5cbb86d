"""Fine-tune trained Helixer gene prediction models to a species."""

__version__ = "0.1.0"
