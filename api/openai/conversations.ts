// Conversations of OpenAI's API, which are sessions, and their items, which are the sides of turns.
import { z } from 'zod'
import type { ErrorCode } from '../../runtime/errors.ts'
import { route, type Answer, type Route } from '../route.ts'
import { whole } from '../schemas/values.ts'
import { metadata, openaiError } from './fields.ts'
import { answerText } from './responses.ts'

const shared = { tag: 'openai', protocol: 'openai' } as const
const labels = z.record(z.string(), z.string())

export const conversation = z
  .object({
    id: z.string().meta({ description: '`conv_` and the id of its session.' }),
    object: z.literal('conversation'),
    created_at: z.int(),
    metadata: labels,
  })
  .meta({ id: 'Conversation' })

const item = {
  id: z.string(),
  type: z.literal('message'),
  status: z.enum(['completed', 'incomplete']),
}

export const conversationItem = z
  .discriminatedUnion('role', [
    z.object({
      ...item,
      role: z.literal('user'),
      content: z.array(z.object({ type: z.literal('input_text'), text: z.string() })),
    }),
    z.object({
      ...item,
      role: z.literal('assistant'),
      content: z.array(answerText),
    }),
  ])
  .meta({ id: 'ConversationItem' })

const itemList = z
  .object({
    object: z.literal('list'),
    data: z.array(conversationItem),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'ConversationItemList' })

export type Conversation = z.output<typeof conversation>
export type ConversationItem = z.output<typeof conversationItem>
export type ConversationItemList = z.output<typeof itemList>

const ofConversation = z.object({ id: conversation.shape.id })
const ofItem = z.object({ id: conversation.shape.id, item: z.string() })
const none = z.strictObject({})

export const newConversation = z.strictObject({
  metadata,
  items: z
    .array(z.unknown())
    .max(0, 'a conversation begins with its first response: what was said before can’t be brought along')
    .nullish(),
})
export const changedConversation = z.strictObject({ metadata })

const unknown: Answer = {
  description: 'There is no such conversation, or none for this client.',
  schema: openaiError,
}
const errors = ['STORE_UNAVAILABLE'] as const satisfies ErrorCode[]

export const conversations = {
  createConversation: route({
    ...shared,
    method: 'POST',
    path: '/v1/conversations',
    summary: 'Create a conversation',
    description:
      'A session, which begins with the first response that names it in `conversation`. One without a response is forgotten after a day.',
    body: newConversation,
    checkedLater: ['body'],
    bodyExample: { metadata: { topic: 'orders' } },
    answers: { 200: { description: 'The conversation.', schema: conversation } },
    errors,
  }),
  conversation: route({
    ...shared,
    method: 'GET',
    path: '/v1/conversations/:id',
    summary: 'A conversation',
    params: ofConversation,
    query: none,
    answers: { 200: { description: 'The conversation.', schema: conversation }, 404: unknown },
    errors,
  }),
  updateConversation: route({
    ...shared,
    method: 'POST',
    path: '/v1/conversations/:id',
    summary: 'Change the metadata of a conversation',
    params: ofConversation,
    body: changedConversation,
    checkedLater: ['body'],
    bodyExample: { metadata: { topic: 'returns' } },
    answers: { 200: { description: 'The conversation.', schema: conversation }, 404: unknown },
    errors,
  }),
  deleteConversation: route({
    ...shared,
    method: 'DELETE',
    path: '/v1/conversations/:id',
    summary: 'Delete a conversation',
    description: 'As a session is deleted: what runs is cancelled, what waits is refused, its texts go.',
    params: ofConversation,
    answers: {
      200: {
        description: 'Its deletion is durable in the log.',
        schema: z
          .object({ id: z.string(), object: z.literal('conversation.deleted'), deleted: z.literal(true) })
          .meta({ id: 'ConversationDeleted' }),
      },
      404: unknown,
    },
    errors,
  }),
  conversationItems: route({
    ...shared,
    method: 'GET',
    path: '/v1/conversations/:id/items',
    summary: 'What was said in a conversation',
    description: 'Of turns that have ended: what was asked, and the answer.',
    params: ofConversation,
    query: z.strictObject({
      limit: whole({ least: 1, most: 100 }, 'How many at most: 20 unless given.').exactOptional(),
      order: z
        .enum(['asc', 'desc'])
        .exactOptional()
        .meta({ description: 'desc, the newest first, unless given.' }),
      after: z.string().exactOptional().meta({ description: 'The id of an item: those behind it.' }),
    }),
    answers: { 200: { description: 'A page of them.', schema: itemList }, 404: unknown },
    errors,
  }),
  conversationItem: route({
    ...shared,
    method: 'GET',
    path: '/v1/conversations/:id/items/:item',
    summary: 'One item of a conversation',
    params: ofItem,
    query: none,
    answers: { 200: { description: 'The item.', schema: conversationItem }, 404: unknown },
    errors,
  }),
} as const satisfies Record<string, Route>
