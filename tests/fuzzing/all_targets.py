"""Every target, by the side of the program that it belongs to."""

from __future__ import annotations

from tests.fuzzing import (
    targets_downloads,
    targets_files,
    targets_models,
    targets_mumble,
    targets_qwen,
    targets_recordings,
    targets_settings,
    targets_text,
    targets_wyoming,
)

TARGETS = {
    target.name: target
    for module in (
        targets_mumble,
        targets_text,
        targets_models,
        targets_qwen,
        targets_wyoming,
        targets_recordings,
        targets_settings,
        targets_files,
        targets_downloads,
    )
    for target in module.TARGETS
}
