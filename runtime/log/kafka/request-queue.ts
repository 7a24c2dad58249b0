// kafkajs's queue of the requests of a connection sets a timer after each check, even if nothing waits in it: one
// that is due in 1970, so after a millisecond, of which Node 24 warns. Then it checks, and sets it again. Here a
// timer is set only if something waits.

/** What is used of kafkajs's class. */
export interface RequestQueue {
  readonly pending: readonly unknown[]
  /** Epoch milliseconds; below 0 if the broker has not asked for a pause. */
  readonly throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
}

const CHECK_MS = 10

export function checkOnlyIfWaiting(prototype: RequestQueue): void {
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return
    const check = (): void => {
      this.throttleCheckTimeoutId = null
      this.checkPendingRequests()
    }
    const throttledMs = this.throttledUntil - Date.now()
    this.throttleCheckTimeoutId = setTimeout(check, throttledMs > 0 ? throttledMs : CHECK_MS)
  }
}
