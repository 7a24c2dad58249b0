// Limits of a lane's queue of tasks.

/** Tasks that may run and wait. Each figure is for one lane; the log has one lane for each partition. */
export interface QueueLimits {
  /** Running at once; the rest wait, by priority, users in turn. */
  inFlight: number
  /** Waiting; a task beyond it is rejected with QUEUE_FULL. */
  waiting: number
  /** Waiting, for one user and priority. */
  waitingPerUser: number
}
