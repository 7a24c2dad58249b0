import type { Answer, Score } from '../cases.ts'
import type { FunctionRef } from './messages.ts'
import type { UserCode } from './user-code.ts'

/** A scorer of the author's own, in its thread. As JSON it is its source. */
export class UserFunction {
  readonly name: string
  readonly #ref: FunctionRef
  readonly #code: UserCode

  constructor(ref: FunctionRef, code: UserCode) {
    this.name = ref.name
    this.#ref = ref
    this.#code = code
  }

  /** Rejects with a message that continues the name of the scorer. */
  score(answer: Answer): Promise<Score> {
    return this.#code.score(this.#ref.at, answer)
  }

  toJSON(): string {
    return this.#ref.source
  }
}
