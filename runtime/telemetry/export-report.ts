// Reports spans that are lost on their way: the first loss at once, then one line a minute.
import type { Log } from './logging.ts'

const PERIOD_MS = 60_000

export class ExportReport {
  readonly #log: Pick<Log, 'warn' | 'info'>
  readonly #url: string
  readonly #now: () => number
  #lost = 0
  #reason = ''
  #lastMs: number | null = null
  #total = 0

  /** `url`: as it may be shown. `now`: monotonic milliseconds. */
  constructor(log: Pick<Log, 'warn' | 'info'>, url: string, now: () => number = () => performance.now()) {
    this.#log = log
    this.#url = url
    this.#now = now
  }

  lost(spans: number, reason: string): void {
    this.#lost += spans
    this.#total += spans
    // Where the collector fails and so the queue is full, the collector's reason is the one to show.
    if (reason !== QUEUE_FULL || this.#reason === '') this.#reason = reason
    if (this.#lastMs === null || this.#now() - this.#lastMs >= PERIOD_MS) this.#write()
  }

  /** Spans arrive again. */
  exported(): void {
    if (this.#lastMs === null) return
    if (this.#lost > 0) this.#write()
    this.#log.info(
      { url: this.#url, spans: this.#total },
      `spans are exported again; ${this.#total} were lost`,
    )
    this.#lastMs = null
    this.#total = 0
    this.#reason = ''
  }

  close(): void {
    if (this.#lost > 0) this.#write()
  }

  #write(): void {
    this.#lastMs = this.#now()
    const message = `failed to export spans to ${this.#url}: ${this.#reason}; ${this.#lost} lost, tasks are not affected`
    this.#log.warn({ url: this.#url, spans: this.#lost }, message)
    this.#lost = 0
  }
}

export const QUEUE_FULL = 'they came faster than they could be sent'

/** What the exporter reports when it gives a batch up. */
export interface ExportError {
  readonly message?: string
  /** Status of the answer, or a code of Node. */
  readonly code?: number | string
  /** The answer's body. */
  readonly data?: string
}

const hints: Readonly<Record<number, string>> = {
  401: 'check OTEL_EXPORTER_OTLP_HEADERS',
  403: 'check OTEL_EXPORTER_OTLP_HEADERS',
  404: 'check the path of OTEL_EXPORTER_OTLP_ENDPOINT',
  405: 'check the path of OTEL_EXPORTER_OTLP_ENDPOINT',
  413: 'lower OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
  415: 'set OTEL_EXPORTER_OTLP_PROTOCOL to http/json or http/protobuf',
}
const MAX_BODY_CHARS = 200

/** Why a batch was given up, in one line, with the setting to look at. */
export function exportFailure(error: ExportError | undefined, url: string): string {
  const { message, code, data } = error ?? {}
  if (typeof code !== 'number') {
    const isBusy = /retryable status/.test(message ?? '')
    const reason = isBusy
      ? 'it answered 429, 502, 503 or 504 to every try'
      : [code, message].filter(Boolean).join(': ') || 'no answer'
    const ofGrpc = URL.parse(url)?.port === '4317' ? ' (4317 is the port of gRPC; HTTP usually has 4318)' : ''
    return `${reason}${ofGrpc}`
  }
  const body = isPage(data) ? 'a page of HTML' : oneLine(data)
  const hint = hints[code] ?? (code >= 300 && code < 400 ? 'redirects are not followed' : null)
  return `it answered ${code}${message ? ` ${message}` : ''}${body && ` (${body})`}${hint ? `; ${hint}` : ''}`
}

export const isPage = (body: string | undefined): boolean =>
  /^\s*<(!doctype|html|head|body)/i.test(body ?? '')

const oneLine = (text = ''): string =>
  text.replaceAll(/\s+/g, ' ').trim().slice(0, MAX_BODY_CHARS).toWellFormed()
