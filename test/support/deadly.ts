// The scripted model and the settings for deadly.config.ts: a task "call <tool>" calls that tool once.
import { join } from 'node:path'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { final } from '../../runtime/scripted-model/script.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'

export interface DeadlyWorld extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>
}

export async function startDeadly(): Promise<DeadlyWorld> {
  const model = await startScriptedModel({ script })
  return {
    env: {
      FLOTILLA_CONFIG: join(import.meta.dirname, 'deadly.config.ts'),
      FLOTILLA_SCRIPTED_URL: model.url,
      FLOTILLA_PARTITIONS: '4',
      // Enough for a fleet, and soon used up by `hog`.
      NODE_OPTIONS: '--max-old-space-size=400',
      LOG_LEVEL: 'fatal',
    },
    [Symbol.asyncDispose]: () => model.stop(),
  }
}

function script(exchange: Exchange) {
  const name = /call (\w+)/.exec(exchange.task)?.[1]
  if (name === undefined) return undefined
  if (exchange.turn > 0) return final(exchange, `called ${name}`)
  return { toolCalls: [{ name, arguments: {} }] }
}
