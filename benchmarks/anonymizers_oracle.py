"""pycanon on a release, in its own environment: k, ℓ and t by somebody else's code.

    python -I anonymizers_oracle.py RELEASE SENSITIVE COLUMN...

Prints one line of JSON. Its entropy ℓ is rounded down; its recursive diversity ranks the values
from the rarest on, which is not the definition, so it is not asked for.
"""

import json
import sys

import pandas as pd
from pycanon import anonymity

path, sensitive, *columns = sys.argv[1:]
frame = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)
print(
    json.dumps(
        {
            "k": int(anonymity.k_anonymity(frame, columns)),
            "distinct": int(anonymity.l_diversity(frame, columns, [sensitive])),
            "entropy, rounded down": int(
                anonymity.entropy_l_diversity(frame, columns, [sensitive])
            ),
            "equal": float(anonymity.t_closeness(frame, columns, [sensitive])),
        }
    )
)
