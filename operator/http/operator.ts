import { askGateway } from '../../client/http/client.ts'
import type { BreakerView } from '../breakers.ts'
import type {
  DeadLetterContent,
  DeadLetterView,
  Operator,
  Replayed,
  ReplayOptions,
  TopicView,
} from '../direct.ts'

/** The operator's view through a gateway: an embedded fleet's file belongs to the process that runs it. */
export class HttpOperator implements Operator {
  private readonly url: string

  constructor(url: string) {
    this.url = url
  }

  topics(): Promise<TopicView[]> {
    return this.ask('/v1/topics')
  }
  deadLetters(limit = 100): Promise<DeadLetterView[]> {
    return this.ask(`/v1/dead-letters?limit=${limit}`)
  }
  deadLetter(id: string): Promise<DeadLetterContent> {
    return this.ask(`/v1/dead-letters/${encodeURIComponent(id)}`)
  }
  breakers(): Promise<BreakerView[]> {
    return this.ask('/v1/breakers')
  }
  replay(id: string, options: ReplayOptions = {}): Promise<Replayed> {
    return this.ask(`/v1/dead-letters/${encodeURIComponent(id)}/replay`, 'POST', options)
  }

  private async ask<T>(path: string, method = 'GET', body?: object): Promise<T> {
    const sent = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    return (await (await askGateway(this.url, path, { method, ...sent })).json()) as T
  }
}
