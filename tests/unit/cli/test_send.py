"""What `smsgw send` says beside the tracking id."""

from typing import Any

import pytest

from smsgw.cli.client import taken_by


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"segments": 1, "encoding": "gsm7"}, ""),
        ({"segments": 2, "encoding": "gsm7"}, "2 segments, gsm7"),
        ({"segments": 1, "encoding": "ucs2", "forced_by": ["’"]}, "1 segment, ucs2 because of '’' (U+2019)"),
        (
            {"segments": 3, "encoding": "ucs2", "forced_by": ["\t", "😀"]},
            "3 segments, ucs2 because of '\\t' (U+0009), '😀' (U+1F600)",
        ),
        # Of the release before.
        ({}, ""),
    ],
)
def test_a_dear_text_is_told(answer: dict[str, Any], line: str) -> None:
    assert taken_by(answer) == line
