"""Dense and lexical retrieval in SQL, and the upkeep of what they search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pgvector import SparseVector
from psycopg import Connection

from rag.filters import Pages, of_documents, pages
from rag.meaning.stems import stem_words
from rag.protocols import Filter, ScoredIds, Vectors
from rag.store.postgres.filter_sql import where_clause
from rag.store.postgres.schema import OWN_TABLE, SAFE_VERSION, pgvector_version
from rag.store.postgres.sparse_bm25 import CorpusStatistics, Term, essential, question_vectors

INDEX = "rag_vectors_hnsw"
_MOST_DIRECT = 5_000
"""Up to this many postings are scored directly; with more, common words are left out first."""
_MOST_SELECTIVE = 2_000
"""Number of postings of the rarest words to start with in that case."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Restricts a search to rows that meet `condition`; `listed_count` is the number of passages if
    they are so few that they are listed, and the search is exact.
    """

    condition: str = "true"
    values: tuple[Any, ...] = ()
    listed_count: int | None = None


def scope(connection: Connection[Any], filter: Filter | None, most_listed: int) -> Scope:
    """The scope of a filter; lists its documents, or on pages its passages, up to `most_listed`."""
    if not filter:
        return Scope()
    condition, values = where_clause(of_documents(filter))
    page_range = pages(filter)
    if page_range and page_range.last < page_range.first:
        return Scope("false", listed_count=0)

    column = "document"
    matching = f'SELECT "row" FROM rag_documents WHERE {condition}'
    sized = f'SELECT "row", passages FROM rag_documents WHERE {condition}'
    if page_range:
        column = "id"
        matching = _on_pages(page_range, condition)
        sized = f"SELECT id, 1 FROM ({matching}) AS p"
    rows = connection.execute(f"{sized} LIMIT %s", (*values, most_listed + 1)).fetchall()
    count = sum(passages for _, passages in rows)
    if len(rows) <= most_listed and count <= most_listed:
        numbers = [number for number, _ in rows]
        return Scope(f"{column} = ANY(%s)", (numbers,), count)
    return Scope(f"{column} IN ({matching})", tuple(values))


def _on_pages(page_range: Pages, condition: str) -> str:
    """A query for the passages with text on these pages of documents that meet the condition."""
    # The first page starts with the text; the end of the last page is NULL.
    begin = f"(pages ->> {page_range.first - 1})::bigint"
    if page_range.first == 1:
        begin = "CASE WHEN json_array_length(pages) > 0 THEN 0 END"
    next_page = f"(pages ->> {page_range.last})::bigint"
    documents = f"SELECT *, record::json -> 'pages' AS pages FROM rag_documents WHERE {condition}"
    return f"""WITH spans AS MATERIALIZED
        (SELECT "row", {begin} AS first, {next_page} AS beyond FROM ({documents}) AS d)
        SELECT p.id FROM spans s JOIN rag_passages p ON p.document = s."row"
        WHERE p.stop > s.first AND (s.beyond IS NULL OR p.start < s.beyond)"""


def dense(
    connection: Connection[Any], vector: Vectors, k: int, search_scope: Scope, most_exact: int
) -> ScoredIds:
    """By cosine: exact for listed rows and up to `most_exact` passages, else by the HNSW index."""
    if search_scope.listed_count == 0:
        return []
    sql = "SELECT id, -(embedding <#> %b) AS score FROM {} ORDER BY score DESC, id LIMIT %s"
    is_exact = search_scope.listed_count is not None
    if not is_exact:
        passages, _, is_valid = _state(connection)
        is_exact = passages <= most_exact or not is_valid
    if is_exact:
        rows = f"rag_vectors WHERE {search_scope.condition}"
        return connection.execute(sql.format(rows), (vector, *search_scope.values, k)).fetchall()

    half = f"halfvec({len(vector)})"
    ordered = f"ORDER BY embedding::{half} <#> %b::{half} LIMIT %s"
    rows = f"(SELECT id, embedding FROM rag_vectors WHERE {search_scope.condition} {ordered}) near"
    # Without iterative scans, which are off by default, a filter would leave too few rows.
    settings = {
        "ef_search": str(min(1000, max(200, 2 * k))),
        "iterative_scan": "relaxed_order",
        "max_scan_tuples": "200000",
        "scan_mem_multiplier": "8",
    }
    with connection.transaction():
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", (f"hnsw.{name}", value))
        values = (vector, *search_scope.values, vector, 2 * k, k)
        return connection.execute(sql.format(rows), values).fetchall()


def _state(connection: Connection[Any]) -> tuple[int, int, bool | None]:
    """(passages, changed since the last vacuum, whether the HNSW index is valid or None)"""
    sql = "SELECT s.passages, s.churn, i.indisvalid FROM rag_statistics s LEFT JOIN pg_index i"
    row = connection.execute(f"{sql} ON i.indexrelid = {OWN_TABLE}", (INDEX,)).fetchone()
    return row or (0, 0, None)


def lexical(connection: Connection[Any], question: str, k: int, search_scope: Scope) -> ScoredIds:
    """By BM25, exactly."""
    terms = list(dict.fromkeys(stem_words(question)))
    if not terms or k < 1 or search_scope.listed_count == 0:
        return []
    sql = """SELECT s.passages, s.words, s.classes, t.number, t.passages, t.most
        FROM rag_statistics s LEFT JOIN rag_terms t ON t.term = ANY(%s) AND t.passages > 0"""
    rows = connection.execute(sql, (terms,)).fetchall()
    words = [Term(*row[3:]) for row in rows if row[3] is not None]
    collection = CorpusStatistics(*rows[0][:3])
    if not words:
        return []

    vectors = question_vectors(words, collection)
    selective_words = _selective(words) if search_scope.listed_count is None else words
    scores = _scored_passages(connection, vectors, selective_words, k, search_scope)
    # passages with only common words are scored if one could be better
    needed = words
    if len(scores) == k:
        _, lowest_score = scores[-1]
        needed = essential(words, collection, lowest_score)
    if set(needed) <= set(selective_words):
        return scores
    return _scored_passages(connection, vectors, needed, k, search_scope)


def _selective(words: list[Term]) -> list[Term]:
    """The rarest words, if all together are in many passages, and else all; at least one."""
    if sum(word.passages for word in words) <= _MOST_DIRECT:
        return words
    rarest = sorted(words, key=lambda word: word.passages)
    selective_words = rarest[:1]
    total = rarest[0].passages
    for word in rarest[1:]:
        total += word.passages
        if total > _MOST_SELECTIVE:
            break
        selective_words.append(word)
    return selective_words


def _scored_passages(
    connection: Connection[Any],
    vectors: list[SparseVector],
    needed: list[Term],
    k: int,
    search_scope: Scope,
) -> ScoredIds:
    """The best passages that contain one of the `needed` words, scored by all words of the
    question, whose vectors are given.
    """
    holding = "terms && %s::integer[]"
    parameters: list[Any] = [list(range(len(vectors))), vectors]
    postings = sum(word.passages for word in needed)
    if needed and (search_scope.listed_count is None or search_scope.listed_count > postings):
        parameters.append([word.number for word in needed])
    else:  # the word index would list more passages than exist
        holding = "counts <#> weights < 0"
    sql = f"""WITH question AS
        (SELECT * FROM unnest(%s::smallint[], %b::sparsevec[]) AS q (class, weights))
        SELECT id, -(counts <#> weights) AS score FROM rag_words JOIN question USING (class)
        WHERE {holding} AND {search_scope.condition} ORDER BY score DESC, id LIMIT %s"""
    return connection.execute(sql, (*parameters, *search_scope.values, k)).fetchall()


_CHURN = 0.05
"""Tables are vacuumed and analysed after this share of them has changed. Otherwise an HNSW index
visits dead rows and finds less, a GIN index keeps new entries in a list, and the planner relies on
old counts.
"""


def tend(connection: Connection[Any], most_exact: int, dim: int) -> None:
    """Vacuum, and build the HNSW index above `most_exact` vectors; one process at a time."""
    sql = "SELECT pg_try_advisory_lock(hashtextextended('rag tend' || current_schema(), 0))"
    if connection.execute(sql).fetchone() != (True,):
        return
    passages, churn, is_valid = _state(connection)
    if churn > _CHURN * passages + 100:
        connection.execute("VACUUM (ANALYZE) rag_documents, rag_vectors, rag_words, rag_terms")
        connection.execute("UPDATE rag_statistics SET churn = greatest(0, churn - %s)", (churn,))
    if passages > most_exact and not is_valid:
        for statement in building(pgvector_version(connection), dim, broken=is_valid is False):
            connection.execute(statement)


def building(version: tuple[int, ...], dim: int, broken: bool) -> list[str]:
    """Commands that build the index of loaded rows, many times faster than row by row; `broken` if
    the previous build was killed.
    """
    commands = []
    if broken:
        commands.append(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
    if version < SAFE_VERSION:
        commands.append("SET max_parallel_maintenance_workers = 0")
    commands.append("SET maintenance_work_mem = '512MB'")
    commands.append(
        f"CREATE INDEX CONCURRENTLY {INDEX} ON rag_vectors USING hnsw"
        f" ((embedding::halfvec({dim})) halfvec_ip_ops) WITH (m = 16, ef_construction = 128)"
    )
    return commands
