// The Responses API: create, retrieve, resume the stream, cancel. A response is a task; its id is the task's.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answerOf } from './answer.ts'
import { hasCode } from '../../../runtime/errors.ts'
import type { HistoryMessage } from '../../../schemas/history.ts'
import type { TaskSubmitted } from '../../../schemas/generated/events.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import { mayRead, principalOf } from '../access/principal.ts'
import type { Agents } from './agents.ts'
import { conversationId, type Conversations } from './conversations.ts'
import { openAiError, Refusal, refuse } from './errors.ts'
import { failed } from './chat.ts'
import { sendFrames } from './frames.ts'
import { labels, responseRequestOf, responseTask, type Asked } from './request.ts'
import {
  closingEvents,
  historyOf,
  labelsOf,
  openingEvents,
  responseOf,
  taskIdOf,
  type Known,
  type ResponseEvent,
} from './response.ts'
import { nextUpdate, resultOf, type Held, type Running } from './running.ts'

/** How long a cancel waits for its task to end. */
const CANCEL_WAIT_MS = 5_000

export async function createResponse(
  request: FastifyRequest,
  reply: FastifyReply,
  running: Running,
  { agents, conversations }: { readonly agents: Agents; readonly conversations: Conversations },
): Promise<FastifyReply> {
  const asked = responseRequestOf(request.body)
  const agent = agents.forTask(asked.model)
  const previous = asked.previous_response_id ?? null
  const { conversation = null } = asked
  if (previous !== null && conversation !== null)
    throw refuse('conversation', 'previous_response_id and conversation exclude each other; send one of them')
  const parent =
    previous === null ? null : await load(request, running, agents, previous, 'previous_response_id')
  const earlier = parent === null ? [] : conversationOf(parent)
  const id = typeof conversation === 'string' ? conversation : conversation?.id
  const session = id === undefined ? null : await conversations.use(request, id)
  const task = {
    ...responseTask(asked, {
      earlier,
      parent: parent && parent.taskId,
      sessionId: session && session.sessionId,
    }),
    agent: agent.name,
    // A client that acts for several users need not repeat whose conversation it is.
    ...(session === null || session.userId === null ? {} : { userId: session.userId }),
    ...agents.userOf(asked),
  }
  const begun = (taskId: string): Known => ({
    taskId,
    task: submittedAs(task),
    submittedAtMs: Date.now(),
    result: null,
    agent,
  })
  if (asked.background === true && asked.stream !== true)
    return reply.send(responseOf(begun(await running.submit(request, reply, task)), 'queued'))
  const held = await running.hold(request, reply, task, asked.background === true)
  return asked.stream === true
    ? streamed(reply, held, begun(held.taskId), running, -1)
    : whole(reply, held, begun(held.taskId))
}

/** The task as its submission has it, without a look into the log. */
const submittedAs = (task: Asked): TaskSubmitted => ({ ...emptyTask, ...task }) as unknown as TaskSubmitted

async function whole(reply: FastifyReply, held: Held, known: Known): Promise<FastifyReply> {
  const result = await resultOf(held)
  if (result === null) return reply
  held.finish()
  if (result.status === 'rejected') throw failed(result)
  return reply.send(responseOf({ ...known, result }))
}

/** Events behind the number `after`. A task that is refused before anything was sent is an HTTP error. */
async function streamed(
  reply: FastifyReply,
  held: Held,
  known: Known,
  { parts }: Running,
  after: number,
): Promise<FastifyReply> {
  const first = await nextUpdate(held.updates)
  if (first === null) return reply
  if (first.kind === 'result' && first.result.status === 'rejected' && after < 0) {
    held.finish()
    throw failed(first.result)
  }
  const result = first.kind === 'result' ? first.result : null
  held.answering()
  return sendFrames(reply, frames(held, { ...known, result }, after), {
    heartbeatMs: parts.settings.heartbeatMs,
    failed: (error) => {
      const { message, code, param } = openAiError(error).body
      return frame({ type: 'error', code, message, param, sequence_number: after + 1 })
    },
    onClose: () => void held.updates.return?.(),
  })
}

const frame = (event: ResponseEvent): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`

async function* frames(held: Held, known: Known, after: number): AsyncGenerator<string> {
  const opening = openingEvents(known)
  yield* numbered(opening, 0, after)
  const result = known.result ?? (await resultOf(held))
  if (result === null) return
  held.finish()
  yield* numbered(closingEvents({ ...known, result }), opening.length, after)
  yield 'data: [DONE]\n\n'
}

function* numbered(events: readonly ResponseEvent[], from: number, after: number): Generator<string> {
  for (const [index, event] of events.entries()) {
    const number = from + index
    if (number > after) yield frame({ ...event, sequence_number: number })
  }
}

interface Query {
  readonly stream?: unknown
  readonly starting_after?: unknown
  readonly include_obfuscation?: unknown
}

export async function retrieveResponse(
  request: FastifyRequest<{ Params: { id: string } }>,
  reply: FastifyReply,
  running: Running,
  agents: Agents,
): Promise<FastifyReply> {
  const { isStream, after } = queryOf(request.query as Query)
  const known = await load(request, running, agents, request.params.id)
  if (!isStream) return reply.send(responseOf(known))
  return streamed(reply, running.follow(request, reply, known.taskId), known, running, after)
}

function queryOf(query: Query): { isStream: boolean; after: number } {
  for (const [name, value] of Object.entries(query)) {
    if (name === 'include_obfuscation' && value === 'false') continue
    if (name !== 'stream' && name !== 'starting_after')
      throw refuse(name, `the parameter ${name} is not supported here`, 'unsupported_parameter')
  }
  const { stream = 'false', starting_after: after } = query
  if (stream !== 'true' && stream !== 'false') throw refuse('stream', 'stream must be true or false')
  if (after === undefined) return { isStream: stream === 'true', after: -1 }
  if (stream !== 'true') throw refuse('starting_after', 'starting_after needs stream=true')
  if (typeof after !== 'string' || !/^\d{1,9}$/.test(after))
    throw refuse('starting_after', 'starting_after must be the sequence_number of an event')
  return { isStream: true, after: Number(after) }
}

export async function cancelResponse(
  request: FastifyRequest<{ Params: { id: string } }>,
  reply: FastifyReply,
  running: Running,
  agents: Agents,
): Promise<FastifyReply> {
  const known = await load(request, running, agents, request.params.id)
  if (known.result !== null) return reply.send(responseOf(known))
  const { client } = running.parts
  await client.cancel(known.taskId, 'cancelled by its client')
  const result = await client.result(known.taskId, { timeoutMs: CANCEL_WAIT_MS }).catch((error: unknown) => {
    if (hasCode(error, 'TASK_TIMED_OUT')) return null
    throw error
  })
  return reply.send(responseOf({ ...known, result }))
}

/** Throws a 404 if there is no such response, or none for this client. */
async function load(
  request: FastifyRequest,
  { parts }: Running,
  agents: Agents,
  id: string,
  param = 'id',
): Promise<Known> {
  const taskId = taskIdOf(id)
  if (taskId === null) throw notFound(id, param)
  const { client, known, owners } = parts
  try {
    const [result, submission] = await Promise.all([client.find(taskId), client.submission(taskId)])
    if (result === null && submission === null) await known.assert(taskId)
    const principal = principalOf(request)
    if (result === null) await owners.assertReadable(principal, taskId)
    else if (!mayRead(principal, result.userId)) throw notFound(id, param)
    const task = submission?.task ?? null
    const agent = result?.agent ?? task?.agent ?? null
    if ((result === null && task === null) || labelsOf(task)[labels.store] === 'false')
      throw notFound(id, param)
    const submittedAtMs = result?.submittedAtMs ?? submission?.atMs ?? 0
    return { taskId, task, submittedAtMs, result, agent: agents.described(agent) }
  } catch (error) {
    const isUnknown = hasCode(error, 'TASK_UNKNOWN', 'TASK_INVALID')
    throw isUnknown ? notFound(id, param) : error
  }
}

const notFound = (id: string, param: string): Refusal =>
  new Refusal(
    { param, message: `there is no response ${JSON.stringify(id.slice(0, 150))}`, code: 'not_found' },
    404,
  )

/** What was said up to the end of a response, without its own instructions. */
function conversationOf({ task, result }: Known): HistoryMessage[] {
  const param = 'previous_response_id'
  if (result === null) throw refuse(param, 'the previous response has not ended yet; wait for it')
  const answer = answerOf(result, task !== null && task.outputSchema !== null)
  if (answer === null)
    throw refuse(param, `the previous response has no answer: it ended as ${result.status}`)
  if (task === null)
    throw refuse(
      param,
      'the conversation before the previous response is no longer kept; send its messages as input',
    )
  if (task.sessionId !== null)
    throw refuse(
      param,
      `the previous response is of a conversation; send conversation: "${conversationId(task.sessionId)}"`,
    )
  const earlier = historyOf(task)
  return [
    ...(earlier[0]?.role === 'system' ? earlier.slice(1) : earlier),
    { role: 'user', content: task.text },
    { role: 'assistant', content: answer.text },
  ]
}
