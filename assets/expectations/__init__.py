"""What is put to Great Expectations: counts of a run, and releases of statistics.

``counts`` judges one line of counts for many checks at once; ``releases`` holds the project's
own expectations about a release, ``proof`` puts them to a release's bytes, and ``data_docs``
writes what came of it as pages to browse. Great Expectations takes seconds to import: all
but ``counts`` import it at once, and are imported where they are used.
"""

from assets.expectations.counts import Check, Equal, Expected, Zero, evaluate, red

__all__ = ["Check", "Equal", "Expected", "Zero", "evaluate", "red"]
