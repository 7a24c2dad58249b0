// Requests of this gateway that wait for the answer of a task: several may, under one idempotency key. A client that
// leaves cancels the task only if no other waits for it.
export class RequestCounts {
  readonly #counts = new Map<string, number>()

  /** Counts a request. The function that is returned ends it, and says whether it was the last of its task. */
  join(taskId: string): () => boolean {
    this.#counts.set(taskId, (this.#counts.get(taskId) ?? 0) + 1)
    return () => {
      const left = (this.#counts.get(taskId) ?? 1) - 1
      if (left === 0) this.#counts.delete(taskId)
      else this.#counts.set(taskId, left)
      return left === 0
    }
  }
}
