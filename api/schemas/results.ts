// Results as readers page through them: enough to decide which to look at.
import { z } from 'zod'

const endedTask = z
  .object({
    taskId: z.string(),
    status: z.string(),
    userId: z.string().nullable(),
    agent: z.string().nullable(),
    forkedFrom: z.string().nullable().meta({ description: 'The task that it is a fork of.' }),
    submittedAtMs: z.number(),
    completedAtMs: z.number(),
  })
  .meta({ id: 'EndedTask' })

export const resultPage = z
  .object({
    results: z.array(endedTask),
    after: z.string().meta({ description: 'Position of the page: the next one begins behind it.' }),
    more: z.boolean().meta({ description: 'The log has more behind it now.' }),
    lost: z.number().meta({ description: 'Results that retention deleted before the page.' }),
  })
  .meta({ id: 'ResultPage' })

export const resultFields = Object.keys(endedTask.shape) as (keyof EndedTask)[]

export type EndedTask = z.infer<typeof endedTask>
export type ResultPage = z.infer<typeof resultPage>

export interface ResultPageQuery {
  /** Position of the page before. Partitions that it does not name begin at `sinceMs`. */
  readonly after?: string
  /** Epoch milliseconds; default: the earliest that the log has. */
  readonly sinceMs?: number
  /** Results at most. Default 100. */
  readonly limit?: number
}
