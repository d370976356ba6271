"""anonypyx on the same file, in its own environment: CSV to CSV, as its manual shows it.

    python -I anonymizers_peer_anonypyx.py FILE K OUT COLUMN...

Prints one line of JSON. A column whose values are whole numbers is a number to it, another is a
category. Labels in its release are ranges and lists of values, not those of hierarchies.
"""

import json
import resource
import sys
import time

import anonypyx
import pandas as pd

source, k, out, *columns = sys.argv[1:]
start = time.perf_counter(), time.process_time()
frame = pd.read_csv(source, sep=";")
for column in frame.columns:
    if not pd.api.types.is_integer_dtype(frame[column]):
        frame[column] = frame[column].astype("category")
have_read = time.perf_counter(), time.process_time()
release = anonypyx.Anonymiser(
    frame,
    k=int(k),
    algorithm="Mondrian",
    feature_columns=columns,
    generalisation_strategy="human-readable",
).anonymise()
have_fit = time.perf_counter(), time.process_time()
release.to_csv(out, sep=";", index=False)
have_written = time.perf_counter(), time.process_time()
print(
    json.dumps(
        {
            "seconds": {
                "recode": have_fit[0] - have_read[0],
                "csv to csv": have_written[0] - start[0],
            },
            "cpu seconds": {
                "recode": have_fit[1] - have_read[1],
                "csv to csv": have_written[1] - start[1],
            },
            "peak memory, GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        }
    )
)
