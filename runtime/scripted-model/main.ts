// The scripted model as a separate process, for benches and for chaos tests that kill everything else:
//   PORT=8123 SCRIPTED_LOG=calls.jsonl SCRIPTED_LATENCY_MS=200 node runtime/scripted-model/main.ts
// Prints one line of JSON with its URL when it is listening.
import { startScriptedModel } from './server.ts'

const { PORT, SCRIPTED_LOG, SCRIPTED_LATENCY_MS } = process.env
const model = await startScriptedModel({
  port: Number(PORT ?? 0),
  latencyMs: Number(SCRIPTED_LATENCY_MS ?? 0),
  ...(SCRIPTED_LOG ? { log: SCRIPTED_LOG } : {}),
})
process.stdout.write(`${JSON.stringify({ url: model.url, pid: process.pid })}\n`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void model.stop())
