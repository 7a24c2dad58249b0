// A transport of the SDK's, watched.
//
// 1. An answer `resultType: "task"` of the Tasks extension, which the SDK does not know, arrives as a plain
//    result that carries the task (TASK).
// 2. A server that sends messages without end, or nothing that is one, is closed: its process may not be kept
//    busy with it.
// 3. The last thing that went wrong is kept, because what fails later says less.
// 4. An answer that can't be read (wrong-answer.ts) ends the one request that waits. Of several, none says whose it is:
//    they wait on.
import {
  ProtocolErrorCode,
  type JSONRPCMessage,
  type MessageExtraInfo,
  type Transport,
  type TransportSendOptions,
} from '@modelcontextprotocol/client'
import { messageOf } from '../../../../runtime/errors.ts'
import { WrongAnswer, wrongAnswer } from './wrong-answer.ts'

/** Field of `_meta` that carries the task. */
export const TASK = 'flotilla/task'

/** Messages between two of ours that nobody asked for: progress is not asked for, either. */
const MAX_UNASKED = 2_000
const MAX_GARBAGE = 100

export class WatchedTransport implements Transport {
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  onmessage?: Transport['onmessage']
  /** Why it was closed here, or what went wrong last. */
  problem: Error | null = null
  /** Gets each page of a list of tools; one that it refuses (false) goes no further. */
  onTools: ((tools: readonly unknown[]) => boolean) | null = null
  readonly #inner: Transport
  /** Ids of requests without an answer. */
  readonly #open = new Set<string | number>()
  #unasked = 0
  #garbage = 0

  constructor(inner: Transport) {
    this.#inner = inner
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId
  }

  get hasPerRequestStream(): boolean {
    return this.#inner.hasPerRequestStream ?? false
  }

  async start(): Promise<void> {
    this.#inner.onclose = () => this.onclose?.()
    this.#inner.onerror = (error) => this.#failed(error)
    this.#inner.onmessage = (message, extra) => this.#received(message, extra)
    await this.#inner.start()
  }

  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    // An answer to a question of the server's is none of ours: else pings would count for nothing.
    if ('method' in message) this.#unasked = 0
    if ('method' in message && 'id' in message) return this.#ask(message.id, message, options)
    if ('method' in message && message.method === 'notifications/cancelled')
      this.#open.delete((message.params as { requestId?: string | number } | undefined)?.requestId ?? '')
    return this.#inner.send(message, options)
  }

  async #ask(id: string | number, message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const forget = (): void => void this.#open.delete(id)
    // Only what goes wrong from now on concerns it.
    if (this.#open.size === 0 && this.problem instanceof WrongAnswer) this.problem = null
    this.#open.add(id)
    options?.requestSignal?.addEventListener('abort', forget, { once: true })
    try {
      await this.#inner.send(message, options)
    } catch (error) {
      forget()
      throw error
    }
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  setProtocolVersion = (version: string): void => this.#inner.setProtocolVersion?.(version)
  setSupportedProtocolVersions = (versions: string[]): void =>
    this.#inner.setSupportedProtocolVersions?.(versions)

  #failed(error: Error): void {
    const wrong = wrongAnswer(error)
    this.problem = wrong ?? error
    this.onerror?.(error)
    const [id, ...others] = this.#open
    if (wrong !== null && !(error instanceof SyntaxError) && id !== undefined && others.length === 0)
      this.#received({
        jsonrpc: '2.0',
        id,
        error: { code: ProtocolErrorCode.InternalError, message: wrong.message },
      })
    if (++this.#garbage > MAX_GARBAGE)
      this.#end(`it sent ${MAX_GARBAGE} messages that are none: ${messageOf(error)}`)
  }

  #received(message: JSONRPCMessage, extra?: MessageExtraInfo): void {
    if (!('method' in message) && message.id !== undefined) this.#open.delete(message.id)
    if ('method' in message && ++this.#unasked > MAX_UNASKED)
      return this.#end(`it sent ${MAX_UNASKED} messages that nobody asked for`)
    const tools = toolsIn(message)
    if (tools !== null && this.onTools?.(tools) === false) return
    this.onmessage?.(lifted(message), extra)
  }

  #end(why: string): void {
    this.problem = new Error(why)
    void this.#inner.close().catch(() => {})
  }
}

function toolsIn(message: JSONRPCMessage): readonly unknown[] | null {
  const tools = 'result' in message ? (message.result as Record<string, unknown>)['tools'] : null
  return Array.isArray(tools) ? tools : null
}

function lifted(message: JSONRPCMessage): JSONRPCMessage {
  if (!('result' in message)) return message
  const { resultType, ...task } = message.result as Record<string, unknown>
  if (resultType !== 'task') return message
  return {
    ...message,
    result: { resultType: 'complete', content: [], _meta: { [TASK]: task } },
  } as JSONRPCMessage
}
