"""`python -m helixer_ft`."""

from helixer_ft.cli import program

program()
