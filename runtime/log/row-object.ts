import { bufferOf } from '../bytes.ts'

/** The JSON object in these bytes, which other programs may have written; null if there is none. */
export function rowObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(bufferOf(bytes).toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
