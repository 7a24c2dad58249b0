// A transport of the SDK's, watched.
//
// 1. An answer `resultType: "task"` of the Tasks extension, which the SDK does not know, arrives as a plain
//    result that carries the task (TASK).
// 2. A server that sends messages without end, or nothing that is one, is closed: its process may not be kept
//    busy with it.
// 3. The last thing that went wrong is kept, because what fails later says less.
import type {
  JSONRPCMessage,
  MessageExtraInfo,
  Transport,
  TransportSendOptions,
} from '@modelcontextprotocol/client'
import { messageOf } from '../../../../runtime/errors.ts'

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
  readonly #inner: Transport
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
    this.#unasked = 0
    return this.#inner.send(message, options)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  setProtocolVersion = (version: string): void => this.#inner.setProtocolVersion?.(version)
  setSupportedProtocolVersions = (versions: string[]): void =>
    this.#inner.setSupportedProtocolVersions?.(versions)

  #failed(error: Error): void {
    this.problem = error
    this.onerror?.(error)
    if (++this.#garbage > MAX_GARBAGE)
      this.#end(`it sent ${MAX_GARBAGE} messages that are none: ${messageOf(error)}`)
  }

  #received(message: JSONRPCMessage, extra?: MessageExtraInfo): void {
    if ('method' in message && ++this.#unasked > MAX_UNASKED)
      return this.#end(`it sent ${MAX_UNASKED} messages that nobody asked for`)
    this.onmessage?.(lifted(message), extra)
  }

  #end(why: string): void {
    this.problem = new Error(why)
    void this.#inner.close().catch(() => {})
  }
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
