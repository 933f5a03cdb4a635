import pytest

from rag.evaluation import metrics


@pytest.fixture(autouse=True)
def _few_draws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer bootstrap samples, for tests that are not about intervals."""
    if request.module.__name__ != "tests.evaluation.test_metrics":
        monkeypatch.setattr(metrics, "DRAWS", 100)
