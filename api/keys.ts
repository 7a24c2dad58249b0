// API keys as the HTTP API shows them. The key itself is shown once, by the answer that creates it.
import { z } from 'zod'
import { namePattern } from './schemas/values.ts'
import { allScopes, type Scope } from './scopes.ts'

/** As a key's name and its user get into events, they follow the rules of names there. */
const name = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^(?=.*\S)[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u, 'must be a text without control characters')
    // The same in the dialect that every reader of the description has.
    .meta({ pattern: namePattern.source, minLength: 1 })

const MAX_AGENTS = 100
const TEN_YEARS_MS = 10 * 365 * 86_400_000

/** The body of `POST /v1/keys`. */
export const newKey = z.strictObject({
  name: name(100),
  /** The user in whose name the key submits and reads. Null or absent: every user; see `newKeyMistakes`. */
  userId: name(200).nullish(),
  scopes: z.array(z.enum(allScopes as [Scope, ...Scope[]])).min(1),
  /** Agents whose tasks it may submit. Null or absent: every agent. */
  agents: z.array(name(200)).min(1).max(MAX_AGENTS).nullish(),
  /** Null or absent: it does not expire. */
  expiresAtMs: z.int().positive().nullish(),
})

export type NewKey = z.infer<typeof newKey>

/** Mistakes that the schema can't find. */
export function newKeyMistakes({ userId, scopes, expiresAtMs }: NewKey, nowMs: number): string[] {
  const mistakes: string[] = []
  const isOfTasks = scopes.some((scope) => scope.startsWith('tasks:') || scope.startsWith('approvals:'))
  if (userId == null && isOfTasks && !scopes.includes('tasks:read:all'))
    mistakes.push('a key without a user acts for every user: name a user, or add the scope tasks:read:all')
  if (expiresAtMs != null && expiresAtMs <= nowMs) mistakes.push('expiresAtMs is in the past')
  if (expiresAtMs != null && expiresAtMs > nowMs + TEN_YEARS_MS)
    mistakes.push('expiresAtMs is more than ten years away; leave it out for a key that does not expire')
  return mistakes
}

export const keyView = z.object({
  /** Public: names the key in lists, logs and `DELETE /v1/keys/:id`. */
  id: z.string(),
  name: z.string(),
  userId: z.string().nullable(),
  scopes: z.array(z.string()),
  agents: z.array(z.string()).nullable(),
  createdAtMs: z.number(),
  /** Who created it; null: the command, on the database itself. */
  createdBy: z.string().nullable(),
  /** Other users who made it, or the key that it was made with: a decision with it is theirs too. */
  madeBy: z.array(z.string()),
  expiresAtMs: z.number().nullable(),
  /** To the minute; null: never used. */
  lastUsedAtMs: z.number().nullable(),
  revokedAtMs: z.number().nullable(),
})

export type KeyView = z.infer<typeof keyView>

export const createdKey = keyView.extend({ key: z.string() })

export type CreatedKey = z.infer<typeof createdKey>
