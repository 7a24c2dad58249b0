// Conversations of OpenAI's API on our sessions: `conv_` and the id of the session.
//
// 1. A session begins with its first task. Until then a conversation is a row of the key-value store, which names its
//    user; afterwards that row has its metadata, and the session says whose it is.
// 2. A session of any origin is a conversation once its first turn has ended. Another user's does not exist.
// 3. A conversation that was deleted does not exist from then on, although the ledger learns of it later.
import { randomUUIDv7 } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import {
  changedConversation,
  newConversation,
  type Conversation,
  type ConversationItem,
  type ConversationItemList,
} from '../../../api/openai/conversations.ts'
import type { SessionView, TurnView } from '../../../api/sessions.ts'
import type { DirectSessions } from '../../../operator/direct/sessions.ts'
import { hasCode } from '../../../runtime/errors.ts'
import type { KeyValue } from '../../../runtime/store/port.ts'
import { isName, shown } from '../../../schemas/identity.ts'
import { mayRead, principalOf } from '../access/principal.ts'
import { Refusal, refuse } from './errors.ts'
import { bodyOf } from './request.ts'

const PREFIX = 'conv_'
const DAY_MS = 86_400_000
/** How long one is kept that no response has named. */
const UNUSED_MS = DAY_MS
/** By then the ledger knows that a session was deleted. */
const DELETED_MS = DAY_MS
const PAGE = 20

const ANSWER = 'msg_'
const QUESTION = 'ask_'

export const conversationId = (sessionId: string): string => PREFIX + sessionId

/** A row of the key-value store. */
interface Kept {
  readonly userId: string | null
  readonly createdAtMs: number
  readonly metadata: Readonly<Record<string, string>>
  readonly deletedAtMs?: number
}

interface Found {
  readonly sessionId: string
  readonly kept: Kept | null
  /** Null: no turn of it has ended. */
  readonly session: SessionView | null
}

export interface ConversationParts {
  readonly sessions: DirectSessions
  readonly store: Pick<KeyValue, 'get' | 'set'>
  readonly retentionDays: number
}

/** The session that a response belongs to, and its user as far as that is known. */
export interface InConversation {
  readonly sessionId: string
  readonly userId: string | null
}

export class Conversations {
  readonly #parts: ConversationParts

  constructor(parts: ConversationParts) {
    this.#parts = parts
  }

  async create(request: FastifyRequest): Promise<Conversation> {
    const { metadata } = bodyOf(newConversation, request.body)
    const { userId } = principalOf(request)
    const sessionId = randomUUIDv7()
    const kept = { userId, createdAtMs: Date.now(), metadata: metadata ?? {} }
    await this.#keep(sessionId, kept, UNUSED_MS)
    return viewOf({ sessionId, kept, session: null })
  }

  /** Throws a 404 unless it exists for this client. */
  async get(request: FastifyRequest, id: string): Promise<Conversation> {
    return viewOf(await this.#find(request, id))
  }

  async update(request: FastifyRequest, id: string): Promise<Conversation> {
    const { metadata } = bodyOf(changedConversation, request.body)
    const found = await this.#find(request, id)
    const kept = { ...keptOf(found), metadata: metadata ?? {} }
    await this.#keep(found.sessionId, kept, found.session === null ? UNUSED_MS : this.#retentionMs)
    return viewOf({ ...found, kept })
  }

  async remove(request: FastifyRequest, id: string): Promise<void> {
    const found = await this.#find(request, id)
    const kept = keptOf(found)
    // First: if only this much is done, it is deleted for clients of these routes, and may be deleted again.
    await this.#keep(found.sessionId, { ...kept, metadata: {}, deletedAtMs: Date.now() }, DELETED_MS)
    await this.#parts.sessions.removeOf(found.sessionId, kept.userId)
  }

  /** For a new response. */
  async use(request: FastifyRequest, id: string): Promise<InConversation> {
    const found = await this.#find(request, id, 'conversation')
    const { sessionId, kept } = found
    if (kept !== null) await this.#keep(sessionId, kept, this.#retentionMs)
    return { sessionId, userId: keptOf(found).userId }
  }

  async items(
    request: FastifyRequest,
    id: string,
    query: { readonly limit?: number; readonly order?: 'asc' | 'desc'; readonly after?: string },
  ): Promise<ConversationItemList> {
    const { limit = PAGE, order = 'desc', after } = query
    const { session } = await this.#find(request, id)
    const from = after === undefined ? null : taskOf(after)
    if (after !== undefined && from === null) throw unknownItem('after', after)
    const page = { from, limit: limit + 2, order }
    const turns = session === null ? [] : await this.#parts.sessions.turns(session, page)
    if (after !== undefined && turns[0]?.taskId !== from) throw unknownItem('after', after)
    const listed = turns.flatMap((turn) => (order === 'asc' ? sidesOf(turn) : sidesOf(turn).toReversed()))
    const rest = listed.slice(after === undefined ? 0 : listed.findIndex((each) => each.id === after) + 1)
    const data = rest.slice(0, limit)
    return {
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: rest.length > limit,
    }
  }

  async item(request: FastifyRequest, id: string, itemId: string): Promise<ConversationItem> {
    const { session } = await this.#find(request, id)
    const from = taskOf(itemId)
    const page = { from, limit: 1, order: 'asc' as const }
    const turns = session === null || from === null ? [] : await this.#parts.sessions.turns(session, page)
    const found = turns.flatMap(sidesOf).find((each) => each.id === itemId)
    if (found === undefined) throw unknownItem('item', itemId)
    return found
  }

  async #find(request: FastifyRequest, id: string, param = 'id'): Promise<Found> {
    const sessionId = id.startsWith(PREFIX) ? id.slice(PREFIX.length) : ''
    if (!isName(sessionId)) throw unknownConversation(param, id)
    const [session, kept] = await Promise.all([this.#session(sessionId), this.#kept(sessionId)])
    const isDeleted = kept?.deletedAtMs !== undefined && (session?.lastAtMs ?? 0) <= kept.deletedAtMs
    const owner = session ?? kept
    if (owner === null || isDeleted || !mayRead(principalOf(request), owner.userId))
      throw unknownConversation(param, id)
    return { sessionId, session, kept: kept?.deletedAtMs === undefined ? kept : null }
  }

  async #session(sessionId: string): Promise<SessionView | null> {
    try {
      return await this.#parts.sessions.view(sessionId)
    } catch (error) {
      if (hasCode(error, 'NOT_FOUND')) return null
      throw error
    }
  }

  async #kept(sessionId: string): Promise<Kept | null> {
    const text = await this.#parts.store.get(keyOf(sessionId))
    return text === null ? null : (JSON.parse(text) as Kept)
  }

  #keep(sessionId: string, kept: Kept, ttlMs: number): Promise<void> {
    return this.#parts.store.set(keyOf(sessionId), JSON.stringify(kept), ttlMs)
  }

  get #retentionMs(): number {
    return this.#parts.retentionDays * DAY_MS
  }
}

/** A session may have any name. */
const keyOf = (sessionId: string): string => `conversation:${encodeURIComponent(sessionId)}`

/** What is kept of it; of a session that was begun elsewhere the ledger says all but its metadata. */
function keptOf({ session, kept }: Found): Kept {
  const { userId, begunAtMs } = session ?? { userId: kept?.userId ?? null, begunAtMs: 0 }
  return { createdAtMs: begunAtMs, metadata: {}, ...kept, userId }
}

function viewOf(found: Found): Conversation {
  const { createdAtMs, metadata } = keptOf(found)
  return {
    id: conversationId(found.sessionId),
    object: 'conversation',
    created_at: Math.floor(createdAtMs / 1_000),
    metadata,
  }
}

/** What was asked, and the answer: that of the response `resp_<task>` has the same id there. */
function sidesOf({ taskId, asked, answered, status }: TurnView): ConversationItem[] {
  const answer = { type: 'output_text' as const, text: answered, annotations: [], logprobs: [] }
  return [
    {
      ...{ id: QUESTION + taskId, type: 'message', role: 'user', status: 'completed' },
      content: [{ type: 'input_text', text: asked }],
    },
    {
      ...{ id: ANSWER + taskId, type: 'message', role: 'assistant' },
      status: status === 'succeeded' ? 'completed' : 'incomplete',
      content: [answer],
    },
  ]
}

/** The task of the turn that an item is a side of; null if no item has this id. */
function taskOf(itemId: string): string | null {
  if (itemId.startsWith(QUESTION)) return itemId.slice(QUESTION.length)
  return itemId.startsWith(ANSWER) ? itemId.slice(ANSWER.length) : null
}

const unknownConversation = (param: string, id: string): Refusal =>
  new Refusal({ param, message: `there is no conversation "${shown(id)}"`, code: 'not_found' }, 404)

const unknownItem = (param: string, id: string): Refusal =>
  param === 'after'
    ? refuse(param, `the conversation has no item "${shown(id)}"`)
    : new Refusal({ param, message: `the conversation has no item "${shown(id)}"`, code: 'not_found' }, 404)
