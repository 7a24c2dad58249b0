// Paths of pages, with their parameters.

/** The parameters of `/tasks/:id` in the path; null if it is another path. */
export function matched(pattern: string, path: string): Readonly<Record<string, string>> | null {
  const [wanted, given] = [pattern.split('/'), path.split('/')]
  if (wanted.length !== given.length) return null
  const values: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? ''
    if (!part.startsWith(':')) {
      if (part !== value) return null
    } else {
      const decoded = textOf(value)
      if (decoded === null || decoded === '') return null
      values[part.slice(1)] = decoded
    }
  }
  return values
}

function textOf(value: string): string | null {
  try {
    return decodeURIComponent(value)
  } catch {
    return null
  }
}
