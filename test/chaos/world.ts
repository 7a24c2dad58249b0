// What stands outside the fleet in a chaos run, and is never killed: the model server and the tool server, both counting.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Exchange } from '../../runtime/testing/scripted-model/exchange.ts'
import { final, python } from '../../runtime/testing/scripted-model/script.ts'
import { startScriptedModel } from '../../runtime/testing/scripted-model/server.ts'
import { startToolServer } from '../support/tool-server.ts'

export interface World extends AsyncDisposable {
  readonly directory: string
  readonly modelLog: string
  readonly toolLog: string
  /** For the processes of the fleet. */
  readonly env: Readonly<Record<string, string>>
}

/** Rarely: interpreters take the processor from everything else. */
const CODE_EVERY = 100

/** Two turns: a tool that may run again and one that must not, at once; then the answer. */
function script(exchange: Exchange) {
  const { taskMark, turn, mode } = exchange
  if (taskMark === null) return undefined
  if (turn > 0) return final(exchange, `done ${taskMark}`)
  const argument = { task: taskMark }
  if (mode === 'code') {
    const call = (tool: string) => `${tool}(task=${JSON.stringify(taskMark)})`
    return { text: python(`print(${call('lookup')})\nprint(${call('charge')})`) }
  }
  return { toolCalls: ['lookup', 'charge'].map((name) => ({ name, arguments: argument })) }
}

export async function startWorld(): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-chaos-'))
  const modelLog = join(directory, 'model.jsonl')
  const toolLog = join(directory, 'tools.jsonl')
  const model = await startScriptedModel({ script, log: modelLog })
  const tools = await startToolServer({ log: toolLog, latencyMs: () => 300 + Math.random() * 1_700 })
  return {
    directory,
    modelLog,
    toolLog,
    env: {
      FLOTILLA_SCRIPTED_URL: model.url,
      TOOL_SERVER_URL: tools.url,
      FLOTILLA_SANDBOX_CHILDREN: '2',
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([model.stop(), tools.stop()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** The `index`-th task: a model that takes 200 to 1,000 ms a turn. Some write Python, which must be replayed after a kill. */
export function chaosTask(index: number): { text: string; mode: 'code' | 'tools' } {
  const latencyMs = 200 + Math.floor(Math.random() * 800)
  const mode = index % CODE_EVERY === 0 ? 'code' : 'tools'
  return { text: `charge and look up task=t${index} latency=${latencyMs}`, mode }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
