import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of a program, or null when it is not on PATH. */
export function programOnPath(name: string, path = process.env['PATH'] ?? ''): string | null {
  const found = path.split(delimiter).map((folder) => join(folder, name))
  return found.find((candidate) => existsSync(candidate)) ?? null
}
