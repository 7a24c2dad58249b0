# Prints what Inspect itself reads in a log: the header alone, the whole log, each sample by its id, and the summaries.
import json
import sys

from inspect_ai.log import read_eval_log, read_eval_log_sample, read_eval_log_sample_summaries

path = sys.argv[1]
header = read_eval_log(path, header_only=True)
log = read_eval_log(path)
samples = [read_eval_log_sample(path, id=sample.id, epoch=sample.epoch) for sample in log.samples or []]
print(
    json.dumps(
        {
            "status": header.status,
            "task": header.eval.task,
            "model": header.eval.model,
            "dataset": header.eval.dataset.model_dump(),
            "epochs": header.eval.config.epochs,
            "metadata": header.eval.metadata,
            "usage": {name: usage.total_tokens for name, usage in header.stats.model_usage.items()},
            "results": {
                score.name: {name: metric.value for name, metric in score.metrics.items()}
                for score in (header.results.scores if header.results else [])
            },
            "completed": header.results.completed_samples if header.results else None,
            "samples": [
                {
                    "id": sample.id,
                    "epoch": sample.epoch,
                    "input": sample.input,
                    "output": sample.output.completion,
                    "model": sample.output.model,
                    "messages": [message.role for message in sample.messages],
                    "scores": None
                    if sample.scores is None
                    else {name: [score.value, score.explanation] for name, score in sample.scores.items()},
                    "error": sample.error.message if sample.error else None,
                    "metadata": sample.metadata,
                    "tokens": sum(usage.total_tokens for usage in sample.model_usage.values()),
                }
                for sample in samples
            ],
            "summaries": len(read_eval_log_sample_summaries(path)),
        }
    )
)
