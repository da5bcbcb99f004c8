"""A project on disk: where everything lies, who may write, and what the index remembers.

``<project>/gingham.toml`` parameters, ``images/<dataset>/<class>/…`` the user's images, ``.gingham/`` what can be
made again, but for annotations and moved files, ``runs/<run>/`` the results.
"""

from gingham.project.annotations import Annotations, Event, Kind, Said
from gingham.project.database import Database
from gingham.project.files import whole_file, write_whole
from gingham.project.folder import ProjectFolder
from gingham.project.index import Index, KnownFile
from gingham.project.moves import Move, Moves, Undone

__all__ = [
    "Annotations",
    "Database",
    "Event",
    "Index",
    "Kind",
    "KnownFile",
    "Move",
    "Moves",
    "ProjectFolder",
    "Said",
    "Undone",
    "whole_file",
    "write_whole",
]
