"""What results.json says of all runs of a start."""

from orchestrator.report import results

ABOUT = dict.fromkeys(("plan", "corpus", "scale", "recipe", "protocol", "protocol_text"), "x")
NAMES = {"imu": "IMU", "skeleton": "skeleton", "video": "RGB"}


def test_tags_name_the_modalities_that_cells_read() -> None:
    cells = [{"modalities": ["imu"]}, {"modalities": ["imu", "video"]}]
    assert results.tags(ABOUT | {"modalities": NAMES, "cells": cells})["shows"] == "IMU + RGB"
    assert results.tags(ABOUT | {"modalities": NAMES, "cells": []})["shows"] == "IMU + skeleton + RGB"
    assert results.tags(ABOUT | {"modalities": NAMES, "shows": "depth"})["shows"] == "depth"
