// Where spans go, and which: OpenTelemetry's own variables, with the meaning that its SDKs give them.
//
// 1. Nothing is traced without OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or
//    OTEL_TRACES_EXPORTER=otlp; the other variables are then not read.
// 2. The SDK passes over a value that it can't read. Here each one is a mistake, because a trace that is
//    missing is noticed on the day that it is needed.
import { accessSync, constants } from 'node:fs'
import { z } from 'zod'
import type { Sampling } from '../../telemetry/trace-context.ts'

export interface TracingSettings {
  /** Address of the traces themselves: `…/v1/traces`. */
  readonly url: string
  readonly protocol: 'http/protobuf' | 'http/json'
  readonly headers: Readonly<Record<string, string>>
  readonly compression: 'none' | 'gzip'
  readonly timeoutMs: number
  readonly sampling: Sampling
  /** `service.name`; null: named after the process. */
  readonly serviceName: string | null
  /** Spans that wait for their export; further ones are lost. */
  readonly maxQueue: number
  /** Longest value of an attribute; null: no limit. */
  readonly maxValueChars: number | null
  /** Whether spans hold messages, arguments and results; null: as flotilla.config.ts says. */
  readonly capturesContent: boolean | null
}

type Variables = Readonly<Record<string, string | undefined>>

const text = z.string().optional()

/** Those that are read only where something is traced are checked there: `readTracing`. */
export const tracingVariables = {
  OTEL_SDK_DISABLED: text,
  OTEL_TRACES_EXPORTER: text,
  OTEL_SERVICE_NAME: text,
  OTEL_RESOURCE_ATTRIBUTES: text,
  OTEL_EXPORTER_OTLP_ENDPOINT: text,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: text,
  OTEL_EXPORTER_OTLP_PROTOCOL: text,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: text,
  OTEL_EXPORTER_OTLP_HEADERS: text,
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: text,
  OTEL_EXPORTER_OTLP_COMPRESSION: text,
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: text,
  OTEL_EXPORTER_OTLP_TIMEOUT: text,
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: text,
  OTEL_EXPORTER_OTLP_CERTIFICATE: text,
  OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: text,
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: text,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: text,
  OTEL_EXPORTER_OTLP_CLIENT_KEY: text,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: text,
  OTEL_TRACES_SAMPLER: text,
  OTEL_TRACES_SAMPLER_ARG: text,
  OTEL_BSP_SCHEDULE_DELAY: text,
  OTEL_BSP_EXPORT_TIMEOUT: text,
  OTEL_BSP_MAX_QUEUE_SIZE: text,
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: text,
  OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: text,
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: text,
  OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: text,
}

/** Collects the mistakes; of a wrong value, the default goes on. */
class Reader {
  readonly mistakes: string[] = []
  readonly #variables: Variables

  constructor(variables: Variables) {
    this.#variables = variables
  }

  get(name: string): string | null {
    return this.#variables[name]?.trim() || null
  }

  /** The variable of traces, else the one of all signals: its name and value. */
  either(rest: string): readonly [string, string] | null {
    for (const name of [`OTEL_EXPORTER_OTLP_TRACES_${rest}`, `OTEL_EXPORTER_OTLP_${rest}`]) {
      const value = this.get(name)
      if (value !== null) return [name, value]
    }
    return null
  }

  wrong(name: string, message: string, shown?: string): void {
    this.mistakes.push(`  ${name}: ${message}${shown === undefined ? '' : `, not "${shown.slice(0, 80)}"`}`)
  }

  choice<T>(found: readonly [string, string] | null, choices: Readonly<Record<string, T>>, usual: T): T {
    if (found === null) return usual
    const [name, value] = found
    const key = Object.keys(choices).find((one) => one.toLowerCase() === value.toLowerCase())
    if (key !== undefined) return choices[key] as T
    this.wrong(name, `must be one of ${Object.keys(choices).join(', ')}`, value)
    return usual
  }

  named(name: string): readonly [string, string] | null {
    const value = this.get(name)
    return value === null ? null : [name, value]
  }

  whole(found: readonly [string, string] | null, least: number, most = 2_147_483_647): number | null {
    if (found === null) return null
    const [name, value] = found
    const number = Number(value)
    if (/^\d+$/.test(value) && number >= least && number <= most) return number
    this.wrong(name, `must be a whole number from ${least} to ${most}`, value)
    return null
  }
}

/** Null where nothing is traced. */
export function readTracing(variables: Variables): {
  tracing: TracingSettings | null
  mistakes: readonly string[]
} {
  const reader = new Reader(variables)
  const flags = { true: true, false: false }
  const isDisabled = reader.choice(reader.named('OTEL_SDK_DISABLED'), flags, false)
  const exporter = exporterOf(reader)
  const isOff = isDisabled || exporter === 'none'
  const url = isOff ? null : urlOf(reader, exporter)
  if (url === null) return { tracing: null, mistakes: reader.mistakes }
  const tracing = {
    url,
    protocol: protocolOf(reader),
    headers: pairsOf(reader, reader.either('HEADERS'), isHeaderName),
    compression: reader.choice(reader.either('COMPRESSION'), { none: 'none', gzip: 'gzip' } as const, 'none'),
    timeoutMs: reader.whole(reader.either('TIMEOUT'), 1) ?? 10_000,
    sampling: samplingOf(reader),
    serviceName: serviceNameOf(reader),
    ...batchingOf(reader),
    maxValueChars: valueLimitOf(reader),
    capturesContent: contentOf(reader),
  }
  checkFiles(reader)
  return { tracing, mistakes: reader.mistakes }
}

function exporterOf(reader: Reader): 'otlp' | 'none' | null {
  const name = 'OTEL_TRACES_EXPORTER'
  const value = reader.get(name)
  if (value === null || value === 'otlp' || value === 'none') return value
  reader.wrong(name, 'must be otlp (sent over HTTP to OTEL_EXPORTER_OTLP_ENDPOINT) or none', value)
  return null
}

/** The URL of the signal's own variable as it is, or `/v1/traces` below the general one. */
function urlOf(reader: Reader, exporter: string | null): string | null {
  const found = reader.either('ENDPOINT')
  if (found === null) return exporter === 'otlp' ? 'http://localhost:4318/v1/traces' : null
  const [name, value] = found
  const url = URL.parse(value)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    // Its value is not shown, because a URL may hold a password.
    const scheme = 'must be a URL that begins with http:// or https://'
    reader.wrong(name, `${scheme}, such as http://127.0.0.1:4318`)
    return null
  }
  if (!name.includes('TRACES')) url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/traces`
  return url.href
}

function protocolOf(reader: Reader): TracingSettings['protocol'] {
  const found = reader.either('PROTOCOL')
  if (found?.[1].toLowerCase() === 'grpc') {
    const how = 'set http/protobuf, and the endpoint of OTLP over HTTP, whose port is 4318 by convention'
    reader.wrong(found[0], `gRPC is not supported: ${how}`)
    return 'http/protobuf'
  }
  const protocols = { 'http/protobuf': 'http/protobuf', 'http/json': 'http/json' } as const
  return reader.choice(found, protocols, 'http/protobuf')
}

const isHeaderName = (name: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)

/** `name=value,name=value`, values percent-encoded. Neither is shown: headers hold keys. */
function pairsOf(
  reader: Reader,
  found: readonly [string, string] | null,
  isName: (name: string) => boolean,
): Record<string, string> {
  if (found === null) return {}
  const pairs: Record<string, string> = {}
  for (const [index, pair] of found[1].split(',').entries()) {
    if (pair.trim() === '') continue
    const at = pair.indexOf('=')
    const name = pair.slice(0, Math.max(0, at)).trim()
    const value = decoded(pair.slice(at + 1).trim())
    if (isName(name) && value !== null && !/[\r\n\0]/.test(value)) pairs[name] = value
    else
      reader.wrong(
        found[0],
        `entry ${index + 1} must be name=value, several separated by commas, with a comma, a space or a % in the value written as %2C, %20 or %25`,
      )
  }
  return pairs
}

function decoded(value: string): string | null {
  try {
    return decodeURIComponent(value)
  } catch {
    return null
  }
}

function serviceNameOf(reader: Reader): string | null {
  const attributes = pairsOf(reader, reader.named('OTEL_RESOURCE_ATTRIBUTES'), (name) =>
    /^[\x21-\x7e]+$/.test(name),
  )
  return reader.get('OTEL_SERVICE_NAME') ?? attributes['service.name'] ?? null
}

const samplers = {
  always_on: { parentBased: false, ratio: 1 },
  always_off: { parentBased: false, ratio: 0 },
  traceidratio: { parentBased: false, ratio: null },
  parentbased_always_on: { parentBased: true, ratio: 1 },
  parentbased_always_off: { parentBased: true, ratio: 0 },
  parentbased_traceidratio: { parentBased: true, ratio: null },
} as const

function samplingOf(reader: Reader): Sampling {
  const found = reader.named('OTEL_TRACES_SAMPLER')
  const { parentBased, ratio } = reader.choice(found, samplers, samplers.parentbased_always_on)
  return { parentBased, ratio: ratio ?? ratioOf(reader) }
}

function ratioOf(reader: Reader): number {
  const name = 'OTEL_TRACES_SAMPLER_ARG'
  const value = reader.get(name)
  if (value === null) return 1
  const ratio = Number(value)
  if (ratio >= 0 && ratio <= 1) return ratio
  reader.wrong(name, 'must be the share of traces to keep, from 0 to 1', value)
  return 1
}

function batchingOf(reader: Reader): { maxQueue: number } {
  const whole = (name: string, least: number) => reader.whole(reader.named(name), least)
  whole('OTEL_BSP_SCHEDULE_DELAY', 0)
  whole('OTEL_BSP_EXPORT_TIMEOUT', 1)
  const maxQueue = whole('OTEL_BSP_MAX_QUEUE_SIZE', 1) ?? 2_048
  const name = 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE'
  const batch = whole(name, 1) ?? Math.min(512, maxQueue)
  if (batch > maxQueue) reader.wrong(name, `must not be greater than the queue (${maxQueue})`, String(batch))
  return { maxQueue }
}

function valueLimitOf(reader: Reader): number | null {
  const ofSpans = reader.whole(reader.named('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT'), 1)
  return ofSpans ?? reader.whole(reader.named('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'), 1)
}

/** Instrumentations disagree: some take a flag, later ones where the content goes. */
function contentOf(reader: Reader): boolean | null {
  const name = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'
  const value = reader.get(name)
  if (value !== null && /^(EVENT_ONLY|SPAN_AND_EVENT)$/i.test(value)) {
    reader.wrong(name, `${value} is not supported, because content is put on spans only: set SPAN_ONLY`)
    return null
  }
  const choices = { true: true, false: false, SPAN_ONLY: true, NO_CONTENT: false }
  return reader.choice<boolean | null>(reader.named(name), choices, null)
}

/** The exporter reads them itself, and would go on without one that it can't read. */
function checkFiles(reader: Reader): void {
  for (const rest of ['CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY']) {
    const found = reader.either(rest)
    if (found === null) continue
    try {
      accessSync(found[1], constants.R_OK)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error)
      reader.wrong(found[0], `must be the path of a PEM file; it can't be read (${code})`)
    }
  }
}
