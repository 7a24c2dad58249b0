// A dead letter as operators see it.
import type { LogRecord } from '../../../runtime/log/port.ts'
import { plural } from '../../../runtime/text/quantities.ts'
import type { DeadLettered } from '../../../schemas/generated/events.ts'

export interface DeadLetterView {
  /** `partition:offset` on dead-letters. */
  id: string
  stage: string
  code: string
  message: string
  sourceTopic: string
  sourcePartition: number
  sourceOffset: number
  key: string | null
  bytes: number
  failedAtMs: number
  /** Null: it was not replayed. */
  replayedAtMs: number | null
}

export interface DeadLetterContent extends DeadLetterView {
  headers: Record<string, string>
  /** As text if it is text, else as hex. */
  value: string
  /** The event that the bytes are; null if they are none, or not all of them are kept. Absent from older gateways. */
  event?: { type: string; data: unknown } | null
}

const SHOWN_BYTES = 4_096

/** Parses `partition:offset` exactly as listed: a letter has one id. Null for anything else. */
export function positionIn(id: string): { partition: number; offset: number } | null {
  const [, partition, offset] = /^(0|[1-9]\d{0,8}):(0|[1-9]\d{0,14})$/.exec(id) ?? []
  return partition === undefined ? null : { partition: Number(partition), offset: Number(offset) }
}

export function view(record: LogRecord, letter: DeadLettered): Omit<DeadLetterView, 'replayedAtMs'> {
  return {
    id: `${record.partition}:${record.offset}`,
    stage: letter.stage,
    code: letter.code,
    message: letter.message,
    sourceTopic: letter.sourceTopic,
    sourcePartition: letter.partition,
    sourceOffset: letter.offset,
    key: letter.key,
    bytes: bytesOf(letter),
    failedAtMs: letter.failedAtMs,
  }
}

export const bytesOf = ({ value, valueBytes }: DeadLettered): number => valueBytes ?? value.length

/** As text if it is text, else as hex: at most the first 4,096 bytes. */
export function readableBytes(value: Uint8Array, bytes: number): string {
  const shown = Buffer.from(value.subarray(0, SHOWN_BYTES))
  const text = shown.toString('utf8')
  const isText = !text.includes('\uFFFD') && !/[\u0000-\u0008]/.test(text)
  const rest = bytes > shown.length ? ` … ${plural(bytes - shown.length, 'more byte')}` : ''
  return (isText ? text : shown.toString('hex')) + rest
}
