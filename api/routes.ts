// Every route of a gateway.
import { evaluations } from './evaluations.ts'
import { events } from './events.ts'
import { me } from './me.ts'
import { openai } from './openai/routes.ts'
import { operator } from './operator.ts'
import { processRoutes } from './process.ts'
import type { Route } from './route.ts'
import { sessions } from './sessions.ts'
import { tasks } from './tasks.ts'

export { evaluations, events, me, openai, operator, processRoutes, sessions, tasks }

export const allRoutes: readonly Route[] = [
  ...Object.values<Route>(tasks),
  ...Object.values<Route>(sessions),
  ...Object.values<Route>(me),
  ...Object.values<Route>(events),
  ...Object.values<Route>(openai),
  ...Object.values<Route>(operator),
  ...Object.values<Route>(evaluations),
  ...Object.values<Route>(processRoutes),
]
