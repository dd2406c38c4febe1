"""The peer of `cargo xtask bench drift`: Evidently's drift preset over the same two files; what it costs."""

import json
import resource
import sys
import time

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

begun = time.monotonic()
reference, window = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
Report([DataDriftPreset()]).run(window, reference).dict()
seconds = time.monotonic() - begun
processor = time.process_time()
kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"cost": {"seconds": seconds, "processor": processor, "megabytes": kibibytes * 1024 / 1e6}}))
