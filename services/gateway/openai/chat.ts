// POST /v1/chat/completions: a task as a chat completion.
//
// 1. Content is only what the task's result says. Text that a model writes on the way may be taken back (an attempt
//    that died, a step that calls a tool), and this protocol can't take back a delta: it is never sent as content.
// 2. A task that is refused or fails before anything was sent is an HTTP error; later, an `error` in the stream.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ChatCompletion, ChatRequest } from '../../../api/openai/chat.ts'
import type { TaskResult, TaskUpdate } from '../../../client/types.ts'
import { namedAtMs } from '../../../client/log/result-search.ts'
import { activityOf, activityOfResult } from './activity.ts'
import type { Agents } from './agents.ts'
import { answerOf, piecesOf, type Answer } from './answer.ts'
import { openAiError, TaskFailed } from './errors.ts'
import { sendFrames } from './frames.ts'
import { chatOf, chatTask } from './request.ts'
import { nextUpdate, resultOf, type Held, type Running } from './running.ts'

interface Chat {
  readonly id: string
  readonly created: number
  readonly model: string
  readonly asJson: boolean
  readonly showActivity: boolean
  readonly includeUsage: boolean
}

export async function answerChat(
  request: FastifyRequest,
  reply: FastifyReply,
  running: Running,
  agents: Agents,
): Promise<FastifyReply> {
  const asked = chatOf(request.body)
  const agent = agents.forTask(asked.model)
  const task = { ...chatTask(asked), agent: agent.name, ...agents.userOf(asked) }
  const held = await running.hold(request, reply, task)
  const chat = describe(asked, held.taskId, agent)
  return asked.stream === true ? streamed(reply, held, chat, running) : whole(reply, held, chat)
}

function describe(
  { model, response_format: format, stream_options: options }: ChatRequest,
  taskId: string,
  { showActivity }: { showActivity: boolean },
): Chat {
  return {
    id: `chatcmpl-${taskId}`,
    created: Math.floor((namedAtMs(taskId) || Date.now()) / 1_000),
    model,
    asJson: format != null && format.type !== 'text',
    showActivity,
    includeUsage: options?.include_usage === true,
  }
}

async function whole(reply: FastifyReply, held: Held, chat: Chat): Promise<FastifyReply> {
  const result = await resultOf(held)
  if (result === null) return reply
  held.finish()
  const answer = answered(result, chat)
  const activity = chat.showActivity ? activityOfResult(result) : ''
  const completion: ChatCompletion = {
    id: chat.id,
    object: 'chat.completion',
    created: chat.created,
    model: chat.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: answer.text,
          refusal: null,
          ...(activity === '' ? {} : { reasoning_content: activity }),
        },
        logprobs: null,
        finish_reason: answer.finish,
      },
    ],
    usage: usageOf(result),
  }
  return reply.send(completion)
}

/** Throws TaskFailed. */
function answered(result: TaskResult, { asJson }: Chat): Answer {
  const answer = answerOf(result, asJson)
  if (answer) return answer
  throw failed(result)
}

export function failed({ status, error, taskId }: TaskResult): TaskFailed {
  const unknown = { severity: 'critical', retryable: false, retryAfterMs: null } as const
  return new TaskFailed(
    error ?? { ...unknown, code: 'INTERNAL', message: `task ${taskId} ended as ${status}` },
  )
}

function usageOf({ usage }: TaskResult): ChatCompletion['usage'] {
  const { inputTokens, outputTokens } = usage
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  }
}

async function streamed(
  reply: FastifyReply,
  held: Held,
  chat: Chat,
  { parts }: Running,
): Promise<FastifyReply> {
  const first = await nextUpdate(held.updates)
  if (first === null) return reply
  if (first.kind === 'result' && answerOf(first.result, chat.asJson) === null) {
    held.finish()
    throw failed(first.result)
  }
  held.answering()
  return sendFrames(reply, chunks(held, first, chat), {
    heartbeatMs: parts.settings.heartbeatMs,
    failed: (error) => frame({ error: openAiError(error).body }),
    onClose: () => void held.updates.return?.(),
  })
}

type Delta = { role?: 'assistant'; content?: string; reasoning_content?: string }

const frame = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

async function* chunks(
  held: Held,
  first: Exclude<TaskUpdate, { kind: 'text' }>,
  chat: Chat,
): AsyncGenerator<string> {
  const chunk = (delta: Delta, finish: Answer['finish'] | null = null): string =>
    frame({
      ...headOf(chat),
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(chat.includeUsage ? { usage: null } : {}),
    })
  yield chunk({ role: 'assistant', content: '' })
  let update: Awaited<ReturnType<typeof nextUpdate>> = first
  while (update?.kind === 'progress') {
    const activity = chat.showActivity ? activityOf(update.event) : null
    if (activity !== null) yield chunk({ reasoning_content: activity })
    update = await nextUpdate(held.updates)
  }
  if (update === null) return
  held.finish()
  const answer = answered(update.result, chat)
  for (const content of piecesOf(answer.text)) yield chunk({ content })
  yield chunk({}, answer.finish)
  if (chat.includeUsage) yield frame({ ...headOf(chat), choices: [], usage: usageOf(update.result) })
  yield 'data: [DONE]\n\n'
}

const headOf = ({ id, created, model }: Chat) => ({ id, object: 'chat.completion.chunk', created, model })
