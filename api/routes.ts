// Every route of a gateway.
import { operator } from './operator.ts'
import { processRoutes } from './process.ts'
import type { Route } from './route.ts'
import { tasks } from './tasks.ts'

export { operator, processRoutes, tasks }

export const allRoutes: readonly Route[] = [
  ...Object.values<Route>(tasks),
  ...Object.values<Route>(operator),
  ...Object.values<Route>(processRoutes),
]
