// API keys in the fleet's database: made, listed and revoked here; checked by the gateway (services/gateway/access).
//
// 1. A key is `flk_<id>_<secret>`: the id is public, the secret has 256 random bits. Only its SHA-256 is kept. A
//    slow hash would add nothing: it makes guessing dear where secrets are guessable, and these are not.
// 2. A row is never deleted: a fleet that has had a key does not become open again.
import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { newKey, newKeyMistakes, type CreatedKey, type KeyView, type NewKey } from '../../api/keys.ts'
import { isScope } from '../../api/scopes.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { Sql, Tables } from '../../runtime/store/sql.ts'
import { isName, shown } from '../../schemas/identity.ts'

export interface KeyOperator {
  /** The one time that the key itself is shown. Rejects with REQUEST_INVALID. */
  create(key: NewKey): Promise<CreatedKey>
  /** Every key, the newest first, revoked and expired ones too. */
  list(): Promise<KeyView[]>
  /** Takes effect on every gateway within 5 s. Rejects with NOT_FOUND. */
  revoke(id: string): Promise<KeyView>
}

/** Who makes a key. */
export interface KeyMaker {
  readonly name: string
  readonly userId: string | null
  /** Others who may hold its own key. */
  readonly madeBy: readonly string[]
}

export type KeyRow = Tables['api_keys']

const ID_BYTES = 6
const SECRET_BYTES = 32
const MAX_MAKERS = 20

export interface GivenKey {
  readonly id: string
  readonly secret: string
}

/** The parts of a key; null for any other text. */
export function parseKey(text: string): GivenKey | null {
  const [, id, secret] = /^flk_([0-9a-f]{12})_([0-9a-f]{64})$/.exec(text) ?? []
  return id === undefined || secret === undefined ? null : { id, secret }
}

/** A text that is meant to be a key, whole or not. */
export const looksLikeKey = (text: string): boolean => text.startsWith('flk_')

export const hashOfSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest()

export function keyViewOf({ scopes, agents, ...row }: KeyRow): KeyView {
  return {
    id: row.id,
    name: row.name,
    userId: row.user_id,
    // A scope of a later version allows nothing here.
    scopes: (JSON.parse(scopes) as string[]).filter(isScope),
    agents: agents === null ? null : (JSON.parse(agents) as string[]),
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
    madeBy: row.made_by === null ? [] : (JSON.parse(row.made_by) as string[]),
    expiresAtMs: row.expires_at_ms,
    lastUsedAtMs: row.last_used_at_ms,
    revokedAtMs: row.revoked_at_ms,
  }
}

/** Whether the fleet has, or had, a key. */
export async function hasKeys(sql: Sql): Promise<boolean> {
  return (await sql.selectFrom('api_keys').select('id').limit(1).executeTakeFirst()) !== undefined
}

export class DirectKeys implements KeyOperator {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** `maker`: whose key or token asks for it; null: the command, on the database itself. */
  async create(given: NewKey, maker: KeyMaker | null = null): Promise<CreatedKey> {
    const { name, userId = null, scopes, agents = null, expiresAtMs = null } = checked(given)
    const madeBy = maker === null ? [] : othersBehind(maker, userId)
    const id = randomBytes(ID_BYTES).toString('hex')
    const secret = randomBytes(SECRET_BYTES).toString('hex')
    const row: KeyRow = {
      id,
      secret_hash: hashOfSecret(secret).toString('hex'),
      name,
      user_id: userId,
      scopes: JSON.stringify([...new Set(scopes)]),
      agents: agents === null ? null : JSON.stringify(agents),
      created_at_ms: Date.now(),
      created_by: maker === null ? null : maker.name,
      made_by: madeBy.length === 0 ? null : JSON.stringify(madeBy),
      expires_at_ms: expiresAtMs,
      last_used_at_ms: null,
      revoked_at_ms: null,
    }
    await this.#sql.insertInto('api_keys').values(row).execute()
    return { ...keyViewOf(row), key: `flk_${id}_${secret}` }
  }

  async list(): Promise<KeyView[]> {
    const rows = this.#sql.selectFrom('api_keys').selectAll()
    return (await rows.orderBy('created_at_ms', 'desc').orderBy('id').execute()).map(keyViewOf)
  }

  async revoke(id: string): Promise<KeyView> {
    await this.#sql
      .updateTable('api_keys')
      .set({ revoked_at_ms: Date.now() })
      .where('id', '=', id)
      .where('revoked_at_ms', 'is', null)
      .execute()
    const row = await this.#sql.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst()
    if (row) return keyViewOf(row)
    throw unknownKey(id)
  }
}

/** The people who know the secret of a new key, or could make themselves another one, besides its user. */
function othersBehind({ userId, madeBy }: KeyMaker, user: string | null): string[] {
  const people = [...new Set([...madeBy, ...(userId === null ? [] : [userId])])]
  const others = people.filter((person) => person !== user)
  if (others.length <= MAX_MAKERS) return others
  const message = `the key would stand behind a chain of ${others.length} other people; at most ${MAX_MAKERS}: make it with a key of its own user`
  throw new FlotillaError('REQUEST_INVALID', message)
}

export const unknownKey = (id: string): FlotillaError =>
  new FlotillaError('NOT_FOUND', `there is no key with the id ${shown(id)}; flotilla keys list shows the ids`)

function checked(given: unknown): NewKey {
  const parsed = newKey.safeParse(given ?? {})
  const mistakes = parsed.success
    ? newKeyMistakes(parsed.data, Date.now())
    : parsed.error.issues.map(shownIssue)
  if (parsed.success)
    for (const [field, value] of Object.entries({ name: parsed.data.name, userId: parsed.data.userId }))
      if (typeof value === 'string' && !isName(value))
        mistakes.push(
          `${field} has characters that nobody sees, so that two could look the same: leave them out`,
        )
  if (parsed.success && mistakes.length === 0) return parsed.data
  throw new FlotillaError('REQUEST_INVALID', mistakes.join('; '))
}

const shownIssue = ({ path, message }: z.core.$ZodIssue): string =>
  path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`
