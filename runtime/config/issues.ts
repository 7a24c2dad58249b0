// Mistakes that a schema finds, as lines for people.
import type { z } from 'zod'

/** One line for each, with its path. */
export function mistakesOf(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys') return [`${path.join('.') || '(top level)'}: ${issue.message}`]
  return issue.keys.map(
    (key) => `${[...path, key].join('.')}: there is no such setting; remove it, or see docs/configuration.md`,
  )
}
