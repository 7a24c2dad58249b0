import { FlotillaError } from '../errors.ts'

/**
 * Null for a record that can't be decoded: on a topic that people read, it is garbage that somebody wrote there,
 * and it is in dead-letters. Other errors are thrown.
 */
export async function unlessUndecodable<T>(decode: () => T | Promise<T>): Promise<T | null> {
  try {
    return await decode()
  } catch (error) {
    if (error instanceof FlotillaError && error.code === 'UNDECODABLE_RECORD') return null
    throw error
  }
}
