"""The whole workflow on a small simulated species: from a genome to a tuned model's predictions."""
