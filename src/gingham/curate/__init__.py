"""What is in a folder of images: which files are copies of each other, and where their labels disagree."""

from gingham.curate.dhash import dhash
from gingham.curate.groups import (
    NEAR_DUPLICATE_BITS,
    DuplicateGroup,
    LabelConflict,
    LabelSuspect,
    duplicate_groups,
    group_images,
    groups_by_folder,
    groups_by_regex,
    label_conflicts,
    label_suspects,
)
from gingham.curate.hamming import near_duplicate_components, near_duplicate_pairs
from gingham.curate.lists import read_groups_csv, read_splits_csv, read_test_files

__all__ = [
    "NEAR_DUPLICATE_BITS",
    "DuplicateGroup",
    "LabelConflict",
    "LabelSuspect",
    "dhash",
    "duplicate_groups",
    "group_images",
    "groups_by_folder",
    "groups_by_regex",
    "label_conflicts",
    "label_suspects",
    "near_duplicate_components",
    "near_duplicate_pairs",
    "read_groups_csv",
    "read_splits_csv",
    "read_test_files",
]
