// Writes what a process logs at level argv[2], with the records on or off by argv[3]. With argv[4] (`traced`, `untraced`), traces or not and
// tells whether OpenTelemetry was loaded.
import { registerHooks } from 'node:module'
import { samples } from '../../golden/samples.ts'

const loaded: string[] = []
registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
const { openTelemetry } = await import('../../../runtime/telemetry/open.ts')
const { readTracing } = await import('../../../runtime/config/environment/tracing.ts')

const [, , logLevel = 'warn', records = 'true', modules] = process.argv
const endpoint = readTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
const { instruments, close } = openTelemetry(
  { tracing: modules === 'traced' ? endpoint.tracing : null, logLevel, raw: {} },
  'test',
  {
    records: records === 'true',
  },
)
const context = { stage: 'planner', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' }
instruments.committed({ type: 'TaskCompleted', data: samples.TaskCompleted }, context)
instruments.committed({ type: 'ToolCompleted', data: samples.ToolCompleted }, context)
instruments.committed({ type: 'TaskClosed', data: samples.TaskClosed }, context)
instruments.log.debug('a detail')
instruments.log.warn('a warning')
await close()
if (modules) console.log(loaded.some((url) => url.includes('@opentelemetry/sdk-node')))
