/** The JSON object in these bytes, which other programs may have written; null if there is none. */
export function rowObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  const { buffer, byteOffset, byteLength } = bytes
  try {
    // Without a copy of the bytes.
    const value: unknown = JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
