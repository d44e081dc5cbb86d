"""`python -m helixer_ft`."""

from helixer_ft.cli import main

main(prog_name="helixer-ft")
