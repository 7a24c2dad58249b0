// Headers of requests that several routes read.
import { taskIdPattern } from '../schemas/task-id.ts'
import type { Header } from './route.ts'

export const idempotencyKey: Header = {
  description:
    'The id of the task: the same request sent again runs once. At most 128 letters, digits and . _ : -',
  pattern: taskIdPattern.source,
}
