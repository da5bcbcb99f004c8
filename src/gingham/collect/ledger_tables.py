"""The tables of the ledger, and what is asked of them."""

__all__ = ["CREDITS", "INSERT", "INSERT_PROVENANCE", "KNOWN", "ROWS", "SCHEMA", "TWIN", "UPDATE"]

SCHEMA = """
CREATE TABLE links (
    id INTEGER PRIMARY KEY, key INTEGER NOT NULL UNIQUE, dataset TEXT NOT NULL, label TEXT NOT NULL,
    url TEXT NOT NULL, host TEXT NOT NULL,
    status TEXT, detail TEXT, code INTEGER, final_url TEXT, path TEXT, size INTEGER, sha256 TEXT, content TEXT,
    width INTEGER, height INTEGER, seconds REAL, finished TEXT
) STRICT;
CREATE INDEX by_status ON links (dataset, status);
CREATE INDEX by_host ON links (dataset, host) WHERE status IS NULL;
CREATE INDEX by_path ON links (dataset, path) WHERE status = 'ok';
CREATE TABLE provenance (
    link INTEGER PRIMARY KEY, provider TEXT NOT NULL, query TEXT NOT NULL, page TEXT NOT NULL,
    title TEXT NOT NULL, creator TEXT NOT NULL, creator_url TEXT NOT NULL, licence TEXT NOT NULL,
    licence_version TEXT NOT NULL, licence_url TEXT NOT NULL, attribution TEXT NOT NULL
) STRICT;
CREATE TABLE unsettled (link INTEGER PRIMARY KEY, temporary TEXT NOT NULL) STRICT;
CREATE TABLE lists (
    dataset TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (dataset, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE questions (
    dataset TEXT NOT NULL, provider TEXT NOT NULL, query TEXT NOT NULL, label TEXT NOT NULL,
    PRIMARY KEY (dataset, provider, query, label)
) STRICT, WITHOUT ROWID
"""
INSERT = "INSERT INTO links (key, dataset, label, url, host) VALUES (?, ?, ?, ?, ?)"
KNOWN = "SELECT key FROM links WHERE key IN (SELECT value FROM json_each(?))"
INSERT_PROVENANCE = """
INSERT OR IGNORE INTO provenance SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM links WHERE key = ?
"""
UPDATE = """
UPDATE links SET status = ?, detail = ?, code = ?, final_url = ?, path = ?, size = ?, sha256 = ?, content = ?,
width = ?, height = ?, seconds = ?, finished = ? WHERE id = ?
"""
TWIN = "SELECT 1 FROM links WHERE dataset = ? AND path = ? AND status = 'ok' AND id <> ?"
ROWS = """
SELECT label, url, status, detail, code, final_url, path, size, sha256, content, width, height, seconds, finished,
provenance.* FROM links LEFT JOIN provenance ON link = id
WHERE dataset = ?1 AND (?2 = '' OR status = ?2) ORDER BY id
"""
CREDITS = """
SELECT path, label, url, finished, provenance.* FROM links LEFT JOIN provenance ON link = id
WHERE dataset = ? AND status = 'ok'
"""
