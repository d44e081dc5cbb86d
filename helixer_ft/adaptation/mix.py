"""`--batchnorm-mix`: how much of a genome's statistics, by number or by rule."""

from typing import Literal

from helixer_ft.errors import InputError

Mix = float | Literal["auto"]
AUTO_MIX: Literal["auto"] = "auto"


def check_mix(mix: Mix) -> None:
    """Refuse a mix that is neither "auto" nor a share.

    Raises
    ------
    InputError
        It is neither.
    """
    if mix != AUTO_MIX and not 0 <= float(mix) <= 1:
        raise InputError(
            f"--batchnorm-mix is {mix}, expected auto or a number from 0 (the model's statistics) "
            "to 1 (the genome's)."
        )
