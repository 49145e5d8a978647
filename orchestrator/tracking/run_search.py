"""The runs of an experiment by a tag, each once.

A client that got no answer in time asks again, and track.py may log beside a driver: both can make a second run.
"""

from collections.abc import Iterator, Mapping

from mlflow import MlflowClient
from mlflow.entities import Run

PAGE = 1000


def by_tag(
    client: MlflowClient, experiment: str, tag: str, value: str | None = None, used: Mapping[str, str] | None = None
) -> dict[str, Run]:
    """The runs that have this tag, by its value; all of them, or those of one value.

    Of several with the same value one is left: the one in `used` (run ids by value), else the first.
    """
    found: dict[str, Run] = {}
    for run in _search(client, experiment, f"tags.{tag} LIKE '%'" if value is None else f"tags.{tag} = '{value}'"):
        of = run.data.tags[tag]
        kept = found.setdefault(of, run)
        if kept is run:
            continue
        if used and used.get(of) == run.info.run_id:
            found[of], run = run, kept
        client.delete_run(run.info.run_id)
    return found


def _search(client: MlflowClient, experiment: str, query: str) -> Iterator[Run]:
    """All pages, before any of the runs is changed."""
    order, runs, token = ["attributes.start_time ASC", "attributes.run_id ASC"], [], None
    while page := client.search_runs([experiment], query, max_results=PAGE, order_by=order, page_token=token):
        runs += page
        if not (token := page.token):
            break
    return iter(runs)
