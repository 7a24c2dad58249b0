import { hash } from 'node:crypto'

/**
 * Ids are the first 128 bits of a SHA-256, as 32 hex digits: the same for the same cause on every run, so redelivery
 * and replay name the same events and calls.
 */
function digest(...parts: (string | number)[]): string {
  return hash('sha256', parts.join('\u0000'), 'hex').slice(0, 32)
}

/** Id of the `index`-th event that a handling emits. */
export function emittedEventId(causeId: string, stage: string, index: number): string {
  return digest('event', causeId, stage, index)
}

/** Id of a record that came without one. */
export function recordId(topic: string, partition: number, offset: number): string {
  return digest('record', topic, partition, offset)
}

/** Id of a timer's event. A handling sets a timer of one name at most once, so cause and name are unique. */
export function timerEventId(key: string, name: string, causeId: string): string {
  return digest('timer', key, name, causeId)
}

/** Id of the `index`-th call of a handling; sent along as idempotency key. */
export function callId(eventId: string, stage: string, index: number): string {
  return digest('call', eventId, stage, index)
}

export function requestHash(request: unknown): string {
  return hash('sha256', JSON.stringify(request) ?? 'null', 'hex').slice(0, 32)
}
