// Every route of a gateway.
import { agents } from './agents.ts'
import { approvals } from './approvals.ts'
import { evaluations } from './evaluations.ts'
import { events } from './events.ts'
import { mcp } from './mcp.ts'
import { me } from './me.ts'
import { openai } from './openai/routes.ts'
import { operator } from './operator.ts'
import { processRoutes } from './process.ts'
import type { Route } from './route.ts'
import { sessions } from './sessions.ts'
import { signIn } from './sign-in.ts'
import { tasks } from './tasks.ts'

export {
  agents,
  approvals,
  evaluations,
  events,
  mcp,
  me,
  openai,
  operator,
  processRoutes,
  sessions,
  signIn,
  tasks,
}

export const allRoutes: readonly Route[] = [
  ...Object.values<Route>(tasks),
  ...Object.values<Route>(approvals),
  ...Object.values<Route>(sessions),
  ...Object.values<Route>(me),
  ...Object.values<Route>(signIn),
  ...Object.values<Route>(events),
  ...Object.values<Route>(openai),
  ...Object.values<Route>(agents),
  ...Object.values<Route>(mcp),
  ...Object.values<Route>(operator),
  ...Object.values<Route>(evaluations),
  ...Object.values<Route>(processRoutes),
]
