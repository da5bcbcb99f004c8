"""A project on disk: where everything lies, who may write, and what the index remembers.

``<project>/gingham.toml`` parameters, ``images/<dataset>/<class>/…`` the user's images, ``.gingham/`` what can be
made again, ``runs/<run>/`` the results.
"""

from gingham.project.files import write_whole
from gingham.project.folder import ProjectFolder
from gingham.project.index import Index, KnownFile

__all__ = ["Index", "KnownFile", "ProjectFolder", "write_whole"]
