// Traces some work inside this process, as a process of the fleet with these variables would.
import { readTracing } from '../../../runtime/config/environment/tracing.ts'
import type { Log } from '../../../runtime/telemetry/logging.ts'
import type { SpanData } from '../../../runtime/telemetry/spans.ts'
import { startTracing } from '../../../runtime/telemetry/tracing.ts'

export interface Logged {
  readonly level: 'debug' | 'info' | 'warn'
  readonly message: string
}

export const spanOf = (index: number, change: Partial<SpanData> = {}): SpanData => ({
  name: `span ${index}`,
  kind: 'internal',
  self: { traceId: 'ab'.repeat(16), spanId: (index + 1).toString(16).padStart(16, '0'), sampled: true },
  parent: null,
  links: [],
  startMs: Date.now() - 10,
  endMs: Date.now(),
  attributes: { 'gen_ai.request.model': 'gpt-4o', index },
  error: null,
  ...change,
})

/** Sends these spans and closes. The SDK reads some of its variables itself, so they are set for as long. */
export async function trace(
  variables: Readonly<Record<string, string>>,
  work: readonly SpanData[] | ((send: (span: SpanData) => void) => Promise<void> | void),
): Promise<Logged[]> {
  const logged: Logged[] = []
  const entry =
    (level: Logged['level']) =>
    (...parts: readonly unknown[]) =>
      void logged.push({ level, message: String(parts.at(-1)) })
  const log = { debug: entry('debug'), info: entry('info'), warn: entry('warn') } as Pick<
    Log,
    'debug' | 'info' | 'warn'
  >
  const { tracing, mistakes } = readTracing(variables)
  if (!tracing || mistakes.length > 0) throw new Error(`not traced: ${mistakes.join('\n')}`)
  const before = { ...process.env }
  Object.assign(process.env, variables)
  const started = await startTracing({ settings: tracing, serviceName: 'flotilla-test', log })
  try {
    if (typeof work === 'function') await work(started.export)
    else work.forEach(started.export)
  } finally {
    await started.close()
    for (const name of Object.keys(variables)) delete process.env[name]
    Object.assign(process.env, before)
  }
  return logged
}
